from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from hinode.engines.native import catalog
from hinode.errors import BadInput
from hinode.evaluation.directing import NAMES, evaluate_directing, generation, memory
from hinode.evaluation.directing.cases import MAKERS, make_cases, write
from hinode.evaluation.directing.suite import MEMORY, METRICS, Metric
from hinode.evaluation.results import Row, table
from hinode.settings import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for metric in MAKERS:
        write(folder / f"{metric}.jsonl", make_cases(metric, "test", 3))
    return folder


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "minute"])
def test_every_metric_has_rows(metric: str, folder: Path, settings: Settings) -> None:
    result = evaluate_directing(folder, model="toy", settings=settings, only=(metric,), limit=2, steps=1)
    assert json.loads(json.dumps(result)) == result
    rows = [Row.of(row) for row in result["rows"]]
    assert {row.metric for row in rows} == {metric}
    targets = [row for row in rows if row.target]
    assert targets
    assert all(isinstance(row.reached, bool) for row in targets)
    assert all(row.reached is None for row in rows if not row.target)
    assert "missed" in table(rows) or "reached" in table(rows)
    assert result["seconds"][metric] > 0


@pytest.mark.parametrize(
    ("steps", "generator", "used"), [(None, "toy-fast", 4), (2, "toy-fast", 2), (1, "toy", 1)]
)
def test_the_result_names_the_model_that_generates(
    folder: Path, student_settings: Settings, tmp_path: Path, steps: int | None, generator: str, used: int
) -> None:
    options = {
        "model": "toy",
        "settings": student_settings,
        "only": ("frames",),
        "limit": 1,
        "keep": tmp_path / "keep",
    }
    result = evaluate_directing(folder, **options, steps=steps)
    assert (result["model"], result["drawn_by"], result["steps"]) == ("toy", generator, used)
    assert result["weights"] == catalog.find(generator, student_settings.models).fingerprint()
    (student_settings.models / "toy-fast.safetensors").unlink()
    with pytest.raises(BadInput, match="records of other weights"):
        evaluate_directing(folder, **options, steps=steps)


def test_a_network_of_noise_keeps_what_it_is_given(folder: Path, settings: Settings) -> None:
    only = ("frames", "region")
    result = evaluate_directing(folder, model="toy", settings=settings, only=only, limit=3, steps=1)
    rows = {(row["bar"], row["what"]): row for row in result["rows"]}
    for kind in ("first", "last", "keyframes"):
        assert rows["frames", f"{kind}: PSNR of the worst given frame"]["figure"] == 100.0
    assert rows["region", "differing pixels outside the mask, worst case"]["holds"] is True
    assert rows["region", "asked attribute changed inside"]["n"] == 3


def test_a_minute_is_judged_to_its_end(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "MINUTE", 7.0)
    result = evaluate_directing(folder, model="toy", settings=settings, only=("minute",), limit=1, steps=1)
    assert {len(curve) for curve in result["drift"].values()} == {6}
    assert [row["want"] for row in result["rows"]].count(">= 80 %") == 1


def test_a_stopped_run_continues(
    folder: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(limit: int | None, **more: object) -> dict[str, object]:
        return evaluate_directing(
            folder, model="toy", settings=settings, only=("remix",), limit=limit, keep=tmp_path,
            **{"steps": 1, **more},  # type: ignore[arg-type]
        )  # fmt: skip

    whole = evaluate_directing(folder, model="toy", settings=settings, only=("remix",), steps=1)
    monkeypatch.setitem(METRICS, "remix", dataclasses.replace(METRICS["remix"], batch=1))  # type: ignore[misc]
    single = evaluate_directing(folder, model="toy", settings=settings, only=("remix",), steps=1)
    # One floor compares with the case before it in the same batch; all else is the same in any batches.
    assert single["rows"][:-1] == whole["rows"][:-1]
    assert run(1)["rows"] != single["rows"]
    measured: list[int] = []
    real = METRICS["remix"].measure

    def measure(cases, first, harness):  # type: ignore[no-untyped-def]
        measured.append(first)
        return real(cases, first, harness)

    monkeypatch.setitem(METRICS, "remix", Metric(measure, METRICS["remix"].rows, 1))  # type: ignore[misc]
    assert run(None)["rows"] == single["rows"]
    assert measured == [1, 2]
    assert run(None)["seconds"] == {}
    assert run(1)["rows"][0]["n"] == 1  # type: ignore[index]
    with pytest.raises(BadInput, match="other weights, steps or cases") as caught:
        run(None, steps=2)
    assert caught.value.field == "keep"


def test_missing_metrics_cases_models_are_refused(folder: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no metric 'lop'") as caught:
        evaluate_directing(folder, settings=settings, only=("lop",))
    assert caught.value.field == "only"
    assert "extension" in caught.value.remedy
    with pytest.raises(BadInput, match=r"cases in .*loop\.jsonl cannot be read"):
        evaluate_directing(tmp_path, model="toy", settings=settings, only=("loop",))
    with pytest.raises(BadInput, match="no model 'sora'"):
        evaluate_directing(folder, model="sora", settings=settings)


def test_every_metric_has_cases() -> None:
    assert set(METRICS) == set(MAKERS)
    assert (*METRICS, MEMORY) == NAMES


@pytest.mark.slow
def test_memory_is_measured_in_separate_processes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINODE_HOME", str(settings.home))
    monkeypatch.setattr(memory, "SHORT", 1.0)
    monkeypatch.setattr(memory, "LONG", 4.0)
    ratio, short, long = memory.memory_rows("toy", "32x32", steps=1)
    assert 50 < short.figure < 5000  # megabytes: Python with torch at least
    assert ratio.figure == pytest.approx(long.figure / short.figure)
    assert ratio.target == "<= 1.5 x"
    # No more than is in use anyway: what this process holds is not counted.
    ballast = bytearray(600 * 2**20)
    again = memory.peak_memory(1.0, "toy", "32x32", 1)
    assert again / 2**20 < short.figure + 300
    del ballast
