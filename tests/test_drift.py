from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.drift import svg


def test_a_line_for_each_fact() -> None:
    curves = {"seconds": [0, 5, 58], "subject": [1.0, 1.0, 1.0], "place": [1.0, 0.5, 0.5]}
    chart = ElementTree.fromstring(svg(curves))
    lines = chart.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points", "").split()) for line in lines] == [3, 3]
    across = [float(point.split(",")[0]) for point in lines[0].get("points", "").split()]
    assert (across[1] - across[0]) / (across[2] - across[0]) == pytest.approx(5 / 58, abs=0.01)
    heights = [float(line.get("points", "").split()[-1].split(",")[1]) for line in lines]
    assert heights[0] < heights[1]  # higher on the page is more
    names = [text.text for text in chart.findall("{http://www.w3.org/2000/svg}text")]
    assert names[-2:] == ["subject", "place"]
