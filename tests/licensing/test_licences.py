from __future__ import annotations

from pathlib import Path

import pytest

from hinode.errors import BadInput, ModelError
from hinode.licensing import licences, operator
from hinode.licensing.licences import LICENCES
from hinode.licensing.operator import EUROPEAN_UNION, Operator
from hinode.licensing.terms import READINGS

AT_HOME = Operator(
    territories=("JP",), annual_revenue=0.0, monthly_users=10, commercial=False
)  # excluded from nothing


@pytest.mark.parametrize("licence", LICENCES.values(), ids=LICENCES)
def test_every_licence_says_where_it_stands_and_how_it_was_read(licence: licences.Licence) -> None:
    assert licence.reading in READINGS
    assert licence.url.startswith("https://") or licence.key == "other"
    assert set(licence.excluded) <= operator.TERRITORIES
    assert bool(licence.excluded) == bool(licence.territory_clause)
    assert bool(licence.attribution) == bool(licence.attribution_clause)
    assert licences.refusal(licence, AT_HOME) is None
    assert licences.find(licence.key.lower()) is licence
    description = "\n".join(licences.describe(licence))
    assert READINGS[licence.reading] in description
    assert all(duty.text in description and duty.clause in description for duty in licence.duties)


@pytest.mark.parametrize(
    ("key", "stated", "clause"),
    [
        ("Tencent-Hunyuan-Community", Operator(("FR",)), 'Sections 1(l) and 5(c), "Territory"'),
        ("Tencent-Hunyuan-Community", Operator(("KR",)), 'Sections 1(l) and 5(c), "Territory"'),
        ("MiniMax-H3-Community", Operator(("JP", "US")), 'Sections I.5 and V.4, "Excluded Territories"'),
        ("MiniMax-H3-Community", Operator(("JP",), annual_revenue=20_000_001), "Section IV.1"),
        ("LTX-2.x-Community", Operator(annual_revenue=10_000_000), 'Section 2.1, "Commercial Entities"'),
        ("CogVideoX", Operator(monthly_users=1_000_001), "visits a month"),
        ("CogVideoX", Operator(monthly_users=1, commercial=True), "registration before commercial use"),
    ],
)
def test_a_refusal_names_the_clause(key: str, stated: Operator, clause: str) -> None:
    sentence = str(licences.refusal(LICENCES[key], stated))
    assert clause in sentence
    assert f"--permission {key}" in sentence
    allowed = Operator(stated.territories, stated.annual_revenue, permissions=(key,))
    assert licences.refusal(LICENCES[key], allowed) is None


def test_limits_are_those_of_the_text_to_the_dollar() -> None:
    # "at least $10,000,000" need a paid licence; "exceed 20 million" need an authorization
    assert licences.refusal(LICENCES["LTX-2.x-Community"], Operator(annual_revenue=9_999_999.99)) is None
    assert licences.refusal(LICENCES["LTX-2.x-Community"], Operator(annual_revenue=10_000_000)) is not None
    assert licences.refusal(LICENCES["MiniMax-H3-Community"], Operator(("JP",), 20_000_000)) is None


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("LTX-2.x-Community", "--revenue 0`"),
        ("Tencent-Hunyuan-Community", "--territory DE --monthly-users 100`"),
        ("MiniMax-H3-Community", "--territory DE --revenue 0`"),
        ("CogVideoX", "--no-commercial --monthly-users 100`"),
    ],
)
def test_an_operator_without_a_statement_learns_what_to_state(key: str, options: str) -> None:
    sentence = str(licences.refusal(LICENCES[key], Operator()))
    assert sentence.endswith(f"`hinode models operator {options}")


def test_what_holds_for_everybody_asks_for_no_statement(tmp_path: Path) -> None:
    (tmp_path / operator.FILE).write_text("this is no TOML")
    for key in ("Apache-2.0", "MIT", "CreativeML-OpenRAIL-M", "other", "something unheard of"):
        licences.check(key, tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        licences.check("LTX-2.x-Community", tmp_path)


def test_the_operators_statement_decides(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="you have not stated"):
        licences.check("MiniMax-H3-Community", tmp_path)
    operator.write(Operator(("DE",), 0.0), tmp_path)
    with pytest.raises(BadInput, match="grants nothing in DE") as caught:
        licences.check("minimax-h3-community", tmp_path)
    assert caught.value.field == "model"
    operator.write(Operator(("CH",), 0.0), tmp_path)
    licences.check("MiniMax-H3-Community", tmp_path)


def test_an_unknown_licence_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"choose Apache-2\.0, MIT, .* or other"):
        licences.find("GPL-3.0")


def test_the_european_union_is_its_member_states() -> None:
    assert len(set(EUROPEAN_UNION)) == 27
    assert operator.parse_territories(["eu"]) == EUROPEAN_UNION
    assert operator.parse_territories([" uk", "GB", "de"]) == ("DE", "GB")
    assert operator.parse_territories(["EU", "DE"]) == EUROPEAN_UNION
    for outside in ("CH", "NO", "IS"):
        assert licences.refusal(LICENCES["MiniMax-H3-Community"], Operator((outside,), 0.0)) is None
    with pytest.raises(BadInput, match="no territory 'Germany'"):
        operator.parse_territories(["Germany"])


def test_what_was_stated_is_read_back(tmp_path: Path) -> None:
    assert operator.read(tmp_path) == Operator()
    stated = Operator(("DE", "FR"), 2_000_000.0, 500, commercial=True, permissions=("CogVideoX",))
    path = operator.write(stated, tmp_path)
    assert operator.read(tmp_path) == stated
    assert path.read_text().startswith("# ")
    assert [file.name for file in tmp_path.iterdir()] == [operator.FILE]
    path.write_text('territories = ["EU"]\nannual_revenue = 5\n')
    assert operator.read(tmp_path) == Operator(EUROPEAN_UNION, 5)


@pytest.mark.parametrize(
    "text",
    [
        "territories = 'DE'",
        "territories = ['Germany']",
        "territories = [1]",
        "annual_revenue = true",
        "annual_revenue = 'much'",
        "monthly_users = 1.5",
        "commercial = 1",
        "teritories = ['DE']",
        "territories = [",
    ],
)
def test_a_damaged_statement_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / operator.FILE).write_text(text)
    with pytest.raises(ModelError, match=r"operator\.toml") as caught:
        operator.read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stated", [Operator(annual_revenue=-1), Operator(annual_revenue=float("nan"))])
def test_an_amount_that_cannot_be_is_not_written_down(stated: Operator, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no amount of revenue"):
        operator.write(stated, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_stamp_names_the_licence_and_what_it_asks_for() -> None:
    stamp = licences.stamp("MiniMax-H3-Community")
    assert stamp["licence"] == "MiniMax H3 Community License Agreement of 2 August 2026"
    assert stamp["attribution"] == "MiniMax H3"
    assert any("machine made it" in term for term in stamp["licence_terms"])
    assert licences.stamp("") == {}
    assert licences.stamp("their own") == {"licence": "their own"}
    assert "attribution" not in licences.stamp("apache-2.0")
    assert licences.remark("Apache-2.0") == licences.remark("") == licences.remark("other") == ""
    assert licences.remark("MiniMax-H3-Community").startswith(" MiniMax H3. Its weights are under the ")


def test_several_licences_hold_together(tmp_path: Path) -> None:
    both = licences.combine("Apache-2.0", "", "CC-BY-NC-4.0", "Apache-2.0", "CC-BY-NC-4.0")
    assert both == "Apache-2.0 AND CC-BY-NC-4.0"
    licences.check("Apache-2.0", tmp_path)
    with pytest.raises(BadInput, match=r"have not stated what it depends on; .*--no-commercial"):
        licences.check(both, tmp_path)
    operator.write(Operator(commercial=True), tmp_path)
    with pytest.raises(BadInput, match=r"allows no commercial use, and you stated .* \(Sections 1\(i\) and"):
        licences.check(both, tmp_path)
    operator.write(Operator(commercial=False), tmp_path)
    licences.check(both, tmp_path)
    stamp = licences.stamp(both)
    assert stamp["licence"] == (
        "Apache License 2.0 AND Creative Commons Attribution-NonCommercial 4.0 International"
    )
    assert len(stamp["licence_terms"]) == 2  # type: ignore[arg-type]
    assert "NonCommercial" in licences.remark(both)
    assert licences.stamp("Apache-2.0 AND my own")["licence"] == "Apache License 2.0 AND my own"
