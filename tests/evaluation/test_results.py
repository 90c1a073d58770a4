from __future__ import annotations

import json

import pytest

from hinode.evaluation.directing.rows import Row, lowest, mean, share, spread, table


def test_shares_hold_from_the_bar_on() -> None:
    row = share("loop", "closed", [True] * 19 + [False], 0.95)
    assert (row.figure, row.n, row.want, row.holds) == (0.95, 20, ">= 95 %", True)
    assert row.low < 0.95 < row.high
    assert share("loop", "closed", [True] * 18 + [False] * 2, 0.95).holds is False
    assert share("loop", "closed", [True, False]).holds is None
    # Nothing measured holds nothing.
    assert share("loop", "closed", [], 0.0).holds is False


def test_a_mean_has_the_interval_of_its_resamples() -> None:
    values = [float(value) for value in range(100)]
    row = mean("trajectory", "distance", values, "%", most=50.0)
    assert row.figure == 49.5
    assert row.high - row.low == pytest.approx(2 * 1.96 * 28.87 / 10, rel=0.1)
    assert row.holds is True
    assert mean("trajectory", "distance", values, "%", most=49.0).holds is False
    assert mean("trajectory", "distance", values, "%", least=49.5).holds is True
    assert mean("trajectory", "distance", values, "%").holds is None
    assert mean("trajectory", "distance", [], "%", most=1.0).holds is False
    assert mean("trajectory", "distance", values, "%") == mean("trajectory", "distance", values, "%")


def test_the_worst_case_decides() -> None:
    row = lowest("frames", "PSNR", [100.0] * 99 + [34.9], "dB", 35.0)
    assert (row.figure, row.holds, row.want) == (34.9, False, ">= 35 dB")
    assert lowest("frames", "PSNR", [35.0, 100.0], "dB", 35.0).holds is True
    assert lowest("frames", "PSNR", [], "dB", 35.0).holds is False


def test_the_middle_and_most_cases() -> None:
    row = spread("loop", "seam", [float(value) for value in range(101)], "x")
    assert (row.low, row.figure, row.high, row.holds) == (5.0, 50.0, 95.0, None)


def test_a_table_says_what_holds() -> None:
    rows = [
        share("loop", "closed", [True] * 4, 0.95),
        share("loop", "open", [False], 0.95),
        mean("trajectory", "distance", [0.04], "%", most=0.05),
        Row("memory", "60 s by 4 s", 1.2, 1.2, 1.2, "one run", 1, "x", "<= 1.5 x", True),
    ]
    lines = table(rows).splitlines()
    assert lines[0].split() == ["bar", "what", "figure", "interval", "cases", "wanted"]
    assert lines[1].endswith(">= 95 %   holds")
    assert lines[2].endswith(">= 95 %   misses")
    assert "4.0 %" in lines[3]
    assert "<= 5 %" in lines[3]
    assert "1.200 x" in lines[4]
    again = [Row(**json.loads(json.dumps(row.as_json()))) for row in rows]
    assert table(again) == table(rows)
