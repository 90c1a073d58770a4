from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.drift import svg


def test_a_line_for_each_attribute() -> None:
    chart = ElementTree.fromstring(svg({"subject": [1.0] * 59, "place": [1.0, *[0.5] * 58]}))
    lines = chart.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points", "").split()) for line in lines] == [59, 59]
    heights = [float(line.get("points", "").split()[-1].split(",")[1]) for line in lines]
    assert heights[0] < heights[1]  # higher on the page is more
    names = [text.text for text in chart.findall("{http://www.w3.org/2000/svg}text")]
    assert names[-2:] == ["subject", "place"]
