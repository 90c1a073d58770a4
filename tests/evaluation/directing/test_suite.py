from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hinode.engines.native import catalog
from hinode.errors import BadInput
from hinode.evaluation.directing import Row, evaluate_directing, memory, table
from hinode.evaluation.directing.cases import INVENTORS, generate, write
from hinode.evaluation.directing.metrics import Metric
from hinode.evaluation.directing.suite import BARS, MEMORY, NAMES
from hinode.settings import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for bar in INVENTORS:
        write(folder / f"{bar}.jsonl", generate(bar, "test", 3))
    return folder


@pytest.mark.parametrize("bar", [name for name in BARS if name != "minute"])
def test_every_bar_is_measured_and_said(bar: str, folder: Path, settings: Settings) -> None:
    found = evaluate_directing(folder, model="toy", settings=settings, only=(bar,), limit=2, steps=1)
    assert json.loads(json.dumps(found)) == found
    rows = [Row(**row) for row in found["rows"]]
    assert {row.bar for row in rows} == {bar}
    wanted = [row for row in rows if row.want]
    assert wanted
    assert all(isinstance(row.holds, bool) for row in wanted)
    assert all(row.holds is None for row in rows if not row.want)
    assert "misses" in table(rows) or "holds" in table(rows)
    assert found["seconds"][bar] > 0


@pytest.mark.parametrize(
    ("steps", "who", "taken"), [(None, "toy-fast", 4), (2, "toy-fast", 2), (1, "toy", 1)]
)
def test_it_says_who_draws_for_the_model(
    folder: Path, quick: Settings, tmp_path: Path, steps: int | None, who: str, taken: int
) -> None:
    kept = tmp_path / "kept"
    again = {"model": "toy", "settings": quick, "only": ("frames",), "limit": 1, "keep": kept}
    found = evaluate_directing(folder, **again, steps=steps)
    assert (found["model"], found["drawn_by"], found["steps"]) == ("toy", who, taken)
    assert found["weights"] == catalog.find(who, quick.models).fingerprint()
    (quick.models / "toy-fast.safetensors").unlink()
    with pytest.raises(BadInput, match="records of other weights"):
        evaluate_directing(folder, **again, steps=steps)


def test_what_a_network_of_noise_is_able_to(folder: Path, settings: Settings) -> None:
    """It keeps what it is given, whatever else it draws."""
    only = ("frames", "region")
    found = evaluate_directing(folder, model="toy", settings=settings, only=only, limit=3, steps=1)
    rows = {(row["bar"], row["what"]): row for row in found["rows"]}
    for kind in ("first", "last", "keyframes"):
        assert rows["frames", f"{kind}: PSNR of the worst given frame"]["figure"] == 100.0
    assert rows["region", "differing pixels outside the mask, worst case"]["holds"] is True
    assert rows["region", "asked attribute changed inside"]["n"] == 3


def test_a_minute_is_judged_to_its_end(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hinode.evaluation.directing import shots

    monkeypatch.setattr(shots, "MINUTE", 7.0)
    found = evaluate_directing(folder, model="toy", settings=settings, only=("minute",), limit=1, steps=1)
    assert {len(curve) for curve in found["drift"].values()} == {6}
    assert [row["want"] for row in found["rows"]].count(">= 80 %") == 1


def test_a_run_that_was_stopped_goes_on(
    folder: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(limit: int | None, **more: object) -> dict[str, object]:
        return evaluate_directing(
            folder, model="toy", settings=settings, only=("remix",), limit=limit, keep=tmp_path,
            **{"steps": 1, **more},  # type: ignore[arg-type]
        )  # fmt: skip

    whole = evaluate_directing(folder, model="toy", settings=settings, only=("remix",), steps=1)
    monkeypatch.setitem(BARS, "remix", dataclasses.replace(BARS["remix"], together=1))  # type: ignore[misc]
    alone = evaluate_directing(folder, model="toy", settings=settings, only=("remix",), steps=1)
    # One floor compares with the case before it in the same batch; all else is the same in any batches.
    assert alone["rows"][:-1] == whole["rows"][:-1]
    assert play(1)["rows"] != alone["rows"]
    played: list[int] = []
    real = BARS["remix"].measure

    def measure(cases, first, stage):  # type: ignore[no-untyped-def]
        played.append(first)
        return real(cases, first, stage)

    monkeypatch.setitem(BARS, "remix", Metric(measure, BARS["remix"].rows, 1))  # type: ignore[misc]
    assert play(None)["rows"] == alone["rows"]
    assert played == [1, 2]
    assert play(None)["seconds"] == {}
    assert play(1)["rows"][0]["n"] == 1  # type: ignore[index]
    with pytest.raises(BadInput, match="other weights, steps or cases") as caught:
        play(None, steps=2)
    assert caught.value.field == "keep"


def test_what_is_not_there_is_said(folder: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no bar 'lop'") as caught:
        evaluate_directing(folder, settings=settings, only=("lop",))
    assert caught.value.field == "only"
    assert "extension" in caught.value.remedy
    with pytest.raises(BadInput, match=r"cases in .*loop\.jsonl cannot be read"):
        evaluate_directing(tmp_path, model="toy", settings=settings, only=("loop",))
    with pytest.raises(BadInput, match="no model 'sora'"):
        evaluate_directing(folder, model="sora", settings=settings)


def test_every_bar_has_cases() -> None:
    assert set(BARS) == set(INVENTORS)
    assert (*BARS, MEMORY) == NAMES


def test_memory_is_that_of_processes_of_their_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(settings.home))
    monkeypatch.setattr(memory, "SHORT", 1.0)
    monkeypatch.setattr(memory, "LONG", 4.0)
    ratio, short, long = memory.memory_rows("toy", "32x32", steps=1)
    assert 50 < short.figure < 5000  # megabytes: Python with torch at least
    assert ratio.figure == pytest.approx(long.figure / short.figure)
    assert ratio.want == "<= 1.5 x"
    # No more than is in use anyway: what this process holds is not counted.
    room = bytearray(600 * 2**20)
    again = memory.peak(1.0, "toy", "32x32", 1)
    assert again / 2**20 < short.figure + 300
    del room
