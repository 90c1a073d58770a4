from __future__ import annotations

import json

import pytest

from hinode.evaluation.results import Row, lowest, mean, share, spread, table


def test_a_share_reaches_its_target_from_the_minimum_on() -> None:
    row = share("loop", "closed", [True] * 19 + [False], 0.95)
    assert (row.figure, row.n, row.target, row.reached) == (0.95, 20, ">= 95 %", True)
    assert row.low < 0.95 < row.high
    assert share("loop", "closed", [True] * 18 + [False] * 2, 0.95).reached is False
    assert share("loop", "closed", [True, False]).reached is None
    # Without a case no target is reached.
    assert share("loop", "closed", [], 0.0).reached is False


def test_a_mean_has_the_interval_of_its_resamples() -> None:
    values = [float(value) for value in range(100)]
    row = mean("trajectory", "distance", values, "%", maximum=50.0)
    assert row.figure == 49.5
    assert row.high - row.low == pytest.approx(2 * 1.96 * 28.87 / 10, rel=0.1)
    assert row.reached is True
    assert mean("trajectory", "distance", values, "%", maximum=49.0).reached is False
    assert mean("trajectory", "distance", values, "%", minimum=49.5).reached is True
    assert mean("trajectory", "distance", values, "%").reached is None
    assert mean("trajectory", "distance", [], "%", maximum=1.0).reached is False
    assert mean("trajectory", "distance", values, "%") == mean("trajectory", "distance", values, "%")


def test_the_worst_case_is_compared_with_the_target() -> None:
    row = lowest("frames", "PSNR", [100.0] * 99 + [34.9], "dB", 35.0)
    assert (row.figure, row.reached, row.target) == (34.9, False, ">= 35 dB")
    assert lowest("frames", "PSNR", [35.0, 100.0], "dB", 35.0).reached is True
    assert lowest("frames", "PSNR", [], "dB", 35.0).reached is False


def test_a_spread_has_the_median_and_nine_cases_in_ten() -> None:
    row = spread("loop", "seam", [float(value) for value in range(101)], "x")
    assert (row.low, row.figure, row.high, row.reached) == (5.0, 50.0, 95.0, None)


def test_a_table_says_which_targets_are_reached() -> None:
    rows = [
        share("loop", "closed", [True] * 4, 0.95),
        share("loop", "open", [False], 0.95),
        mean("trajectory", "distance", [0.04], "%", maximum=0.05),
        Row("memory", "60 s by 4 s", 1.2, 1.2, 1.2, "one run", 1, "x", "<= 1.5 x", True),
    ]
    lines = table(rows).splitlines()
    assert lines[0].split() == ["metric", "what", "figure", "interval", "cases", "target"]
    assert lines[1].endswith(">= 95 %   reached")
    assert lines[2].endswith(">= 95 %   missed")
    assert "4.0 %" in lines[3]
    assert "<= 5 %" in lines[3]
    assert "1.200 x" in lines[4]
    again = [Row.of(json.loads(json.dumps(row.as_json()))) for row in rows]
    assert table(again) == table(rows)
