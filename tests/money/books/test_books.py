"""Price and cost books: dates, missing prices, noughts, staleness."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hinode.errors import BadInput
from hinode.money.books import costs, prices
from hinode.money.books.entries import MissingPrice
from hinode.money.books.margins import Margin, margins, spread
from hinode.money.books.operator import OperatorBooks

TODAY = date(2026, 11, 30)
SIZE = (1280, 720)
OWN = """
version: 2026-11-30
prices:
  - name: native/book
    provider: us
    usd_per_second: {"360": 0, "720": 0.02}
    source: our price list
    mark: own
    date: 2026-11-01
  - name: native/book
    provider: us
    usd_per_second: {"720": 0.03}
    source: our price list
    mark: own
    date: 2026-12
"""
HOURS = """
version: 2026-11-30
hardware:
  - hardware: h200
    usd_per_hour: 2.0
    usd_per_hour_to: 3.0
    hosts: [gpu-*]
    source: invoice of the data centre
    date: 2026-11-01
  - hardware: h200
    usd_per_hour: 4.0
    hosts: [gpu-*]
    source: invoice of the data centre
    date: 2026-11-20
providers:
  - provider: fal
    usd_per_second: 0
    source: a trial
    date: 2026-09
"""


def own(home: Path) -> OperatorBooks:
    """The files of a home without a database."""
    return OperatorBooks(None, home, lambda: 0.0)


def test_list_prices_have_sources_and_are_sorted_by_cost() -> None:
    book = prices.listed()
    offers = book.offers(SIZE, 10.0, TODAY)
    assert [offer.usd for offer in offers] == sorted(offer.usd for offer in offers)
    by_name = {(offer.name, offer.provider): offer for offer in offers}
    assert by_name["sora-2", "OpenAI"].usd == pytest.approx(1.0)
    assert by_name["sora-2", "OpenAI"].ended
    assert by_name["seedance-2.0", "fal"].usd == pytest.approx(3.03)
    assert all(offer.source and offer.date for offer in offers)
    assert "ray-3.2-video-to-video" in {offer.name for offer in book.offers(SIZE, 10.0, TODAY, "remix")}
    assert book.offers((100_000, 100_000), 10.0, TODAY) == []
    assert book.offers(SIZE, 10.0, date(2026, 1, 1)) == []  # none of them was read before


def test_a_missing_price_is_refused_by_name_and_nought_is_free(tmp_path: Path) -> None:
    (tmp_path / prices.FILE).write_text(OWN)
    book = own(tmp_path).prices.current()
    assert book.cost("native/book", (640, 360), 10.0, TODAY) == 0.0
    assert book.cost("native/book", SIZE, 10.0, TODAY) == pytest.approx(0.2)
    assert book.cost("native/book", SIZE, 10.0, date(2026, 12, 2)) == pytest.approx(0.3)
    for name, size in (("native/other", SIZE), ("native/book", (1920, 1080))):
        with pytest.raises(MissingPrice, match=r"no price for 'native.*prices\.yaml, 0 if it is free"):
            book.cost(name, size, 10.0, TODAY)
    with pytest.raises(MissingPrice, match="native/book"):
        book.find("native/book", date(2026, 10, 31))
    with pytest.raises(MissingPrice):
        own(tmp_path / "nothing").prices.current().find("native/book", TODAY)


def test_costs_by_host_and_provider(tmp_path: Path) -> None:
    (tmp_path / costs.FILE).write_text(HOURS)
    book = own(tmp_path).costs.current()
    assert book.host("gpu-7", date(2026, 11, 10)).usual == 2.5
    assert book.host("gpu-7", TODAY).usual == 4.0
    assert book.provider("fal", TODAY).usd_per_second == 0.0
    with pytest.raises(MissingPrice, match=r"an hour of the host cpu-1.*costs\.yaml"):
        book.host("cpu-1", TODAY)
    with pytest.raises(MissingPrice, match="a second at the provider other"):
        book.provider("other", TODAY)
    assert [str(entry) for entry in book.stale(TODAY)] == [
        "the price of a second at fal is of 2026-09, 90 days ago"
    ]


def test_the_market_has_history_and_spot_prices_are_asked_for_by_name() -> None:
    market = costs.market()
    assert market.hour("h100", date(2026, 9, 1), "secure").usual == 3.29
    assert market.hour("h100", date(2026, 10, 1), "secure").usual == 3.49
    assert market.hour("l40s", TODAY).tier == "marketplace"
    assert market.hour("l40s", TODAY, "spot").usual == 0.93
    with pytest.raises(MissingPrice, match="an hour of tpu"):
        market.hour("tpu", TODAY)
    assert market.stale(date(2027, 1, 15))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (OWN.replace("date: 2026-12", "date: soon"), "give a date"),
        (OWN.replace("    source: our price list\n", "", 1), "source is missing"),
        (OWN.replace('"360": 0', '"360": -1'), "is -1"),
        (OWN.replace('"360": 0', '"small": 0'), "small"),
        (OWN.replace("mark: own", "marks: own", 1), "has no field"),
        ("prices: [", "is not YAML"),
    ],
)
def test_wrong_entries_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / prices.FILE).write_text(text)
    with pytest.raises(BadInput, match=sentence):
        own(tmp_path).prices.current()


def test_margins_add_up() -> None:
    items = {"a": Margin(2.0, 5.0, 1), "b": Margin(1.0, 0.0, 1), "c": Margin(4.0, 4.0, 1)}
    groups = margins(items, lambda name: "x" if name in "ab" else "y", items.__getitem__)
    assert groups == {"y": Margin(4.0, 4.0, 1), "x": Margin(3.0, 5.0, 2)}
    assert list(groups) == ["y", "x"]
    assert groups["x"].usd == 2.0
    assert items["b"].share is None
    assert spread(3.0, {"a": 1.0, "b": 2.0}) == {"a": 1.0, "b": 2.0}
    assert spread(3.0, {"a": 0.0, "b": 0.0}) == {"a": 1.5, "b": 1.5}
