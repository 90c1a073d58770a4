"""The directing suite on a network of toy size that draws noise."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hinode import directing
from hinode.directing import material, scene_plans
from hinode.engines.native import catalog
from hinode.errors import BadInput
from hinode.evaluation.directing import NAMES, evaluate_directing, generation, memory
from hinode.evaluation.directing.cases import MAKERS, make_cases, write
from hinode.evaluation.directing.harness import Harness
from hinode.evaluation.directing.suite import MEMORY, METRICS
from hinode.evaluation.results import Row, table
from hinode.media.reading import references
from hinode.settings import Settings
from tests.tiny_book import save_tiny_book


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for metric in MAKERS:
        write(folder / f"{metric}.jsonl", make_cases(metric, "test", 3))
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a toy model "book"."""
    home = tmp_path_factory.mktemp("home")
    save_tiny_book(home / "models" / "book.safetensors")
    return Settings(home=home, threads=1, device="cpu")


def evaluate(folder: Path, settings: Settings, metric: str, **more: Any) -> dict[str, Any]:
    options = {"model": "book", "limit": 1, "steps": 1, **more}
    return evaluate_directing(folder, settings=settings, only=(metric,), **options)


@pytest.mark.parametrize(
    "metric", [pytest.param(name, marks=pytest.mark.slow if name != "frames" else ()) for name in METRICS]
)
def test_every_metric_has_rows_with_targets_and_the_truth_beside(
    metric: str, folder: Path, book: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "MINUTE", 7.0)
    result = evaluate(folder, book, metric)
    assert json.loads(json.dumps(result)) == result
    rows = [Row.of(row) for row in result["rows"]]
    assert {row.metric for row in rows} == {metric}
    assert any(row.target for row in rows)
    assert all((row.reached is None) == (not row.target) for row in rows)
    assert any("truth" in row.what for row in rows)
    assert "missed" in table(rows) or "reached" in table(rows)
    assert result["seconds"][metric] > 0
    assert len({len(curve) for curve in result["drift"].values()}) == (metric == "minute")


def test_a_network_of_noise_shows_the_frames_that_it_is_given(folder: Path, book: Settings) -> None:
    rows = {row["what"]: row for row in evaluate(folder, book, "frames", limit=3)["rows"]}
    for kind in ("first", "last", "keyframes"):
        assert rows[f"{kind}: PSNR of the worst given frame"]["figure"] == 100.0


@pytest.mark.slow
def test_a_network_of_noise_changes_nothing_outside_a_mask(folder: Path, book: Settings) -> None:
    rows = {row["what"]: row for row in evaluate(folder, book, "region", limit=2)["rows"]}
    assert rows["differing pixels outside the mask, worst case"]["holds"] is True
    assert rows["asked fact changed inside"]["figure"] == 0.0
    assert rows["asked fact changed inside (source, floor)"]["figure"] == 0.0


def test_a_stopped_run_continues(folder: Path, book: Settings, tmp_path: Path) -> None:
    evaluate(folder, book, "frames", keep=tmp_path)
    lines = (tmp_path / "frames.jsonl").read_text()
    result = evaluate(folder, book, "frames", keep=tmp_path, limit=2)
    assert (tmp_path / "frames.jsonl").read_text().startswith(lines)
    assert {row["n"] for row in result["rows"] if "moves" in row["what"]} == {2}
    assert evaluate(folder, book, "frames", keep=tmp_path, limit=2)["seconds"] == {}
    with pytest.raises(BadInput, match="other weights, steps or cases") as caught:
        evaluate(folder, book, "frames", keep=tmp_path, steps=2)
    assert caught.value.field == "keep"


def test_missing_metrics_cases_models_are_refused(folder: Path, book: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no metric 'lop'") as caught:
        evaluate(folder, book, "lop")
    assert caught.value.field == "only"
    assert "extension" in caught.value.remedy
    with pytest.raises(BadInput, match=r"cases in .*loop\.jsonl cannot be read"):
        evaluate(tmp_path, book, "loop")
    with pytest.raises(BadInput, match="no model 'sora'"):
        evaluate(folder, book, "loop", model="sora")


def test_a_source_carries_its_plan_where_the_product_finds_it(book: Settings, tmp_path: Path) -> None:
    card = catalog.find("book", book.models)
    harness = Harness(directing.get("native", book), card, tmp_path)
    (case,) = make_cases("remix", "test", 1)
    frames, plan = harness.render(case.scene, 0.5), harness.plan(case.scene, 0.5)
    source = harness.source(frames, plan)
    assert scene_plans.read_file(source.reference()) == plan
    assert (source.fps, source.size, source.seconds) == (24, harness.size, 0.5)
    reread = np.stack(list(references.iter_frames(source.reference(), Fraction(24))))
    assert (reread == frames).all()
    assert material.label_facts(Path(harness.source(frames).path)) == {}


def test_every_metric_has_cases() -> None:
    assert set(METRICS) == set(MAKERS)
    assert (*METRICS, MEMORY) == NAMES


@pytest.mark.slow
def test_memory_is_measured_in_separate_processes(book: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINODE_HOME", str(book.home))
    monkeypatch.setattr(memory, "SHORT", 1.0)
    monkeypatch.setattr(memory, "LONG", 4.0)
    ratio, short, long = memory.memory_rows("book", "64x32", steps=1)
    assert 50 < short.figure < 5000  # megabytes: Python with torch at least
    assert ratio.figure == pytest.approx(long.figure / short.figure)
    assert ratio.target == "<= 1.5 x"
    # No more than is in use anyway: what this process holds is not counted.
    ballast = bytearray(600 * 2**20)
    again = memory.peak_memory(1.0, "book", "64x32", 1)
    assert again / 2**20 < short.figure + 300
    del ballast
