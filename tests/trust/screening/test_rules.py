"""Screening of texts: disguises, negations, names, chains, and policies of operators."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.screening import adversarial, benign
from benchmarks.screening.mutants import mutants
from hinode.errors import BadInput
from hinode.trust.screening import policy as policies
from hinode.trust.screening.screener import screen
from hinode.trust.screening.verdict import Action, ModerationBlocked, Stage, Text, Verdict

POLICY = policies.builtin()


LICENSED = {"third_party": ["mickey mouse"], "gore": ["gore"]}


def check(*texts: str, field: str = "prompt", **options: object) -> Verdict:
    return screen(POLICY, [Text(text, field=field) for text in texts], **options)  # type: ignore[arg-type]


def missed(maximum: int | None) -> list[tuple[str, str, str]]:
    return [
        (mutant.rule, mutant.disguise, mutant.text.text)
        for mutant in mutants(POLICY, maximum=maximum)
        if mutant.rule not in {finding.rule for finding in screen(POLICY, [mutant.text]).findings}
    ]


def test_mutants_of_some_phrases_of_every_rule_are_caught() -> None:
    assert missed(maximum=2) == []


@pytest.mark.slow
def test_mutants_of_every_phrase_of_every_rule_are_caught() -> None:
    assert missed(maximum=None) == []


def test_tuning_prompts_are_caught_and_near_misses_pass() -> None:
    """Even seeds only: the odd ones are read by `python -m benchmarks screening`."""
    cases = list(adversarial.cases(range(0, 520, 2)))
    caught = [bool(screen(POLICY, list(case_texts(case)), ancestors=case.ancestors).action) for case in cases]
    assert sum(caught) >= 0.95 * len(cases)
    near = benign.prompts()[:1000:4]
    refused = [entry.text for entry in near if check(entry.text).action]
    assert len(refused) <= 0.03 * len(near), refused


def case_texts(case: adversarial.Case) -> list[Text]:
    return [Text(text) for text in case.shown]


@pytest.mark.parametrize(
    "text",
    [
        "no gore, no naked people",
        "a gore-free zombie comedy",
        "a film without gore or nudity",
        "a wall free of swastikas",
        "Scunthorpe in Essex",
        "ISPARTA'DA ılık bir gün, İstanbul",
        "می‌خواهم یک گربه ببینم",
        "क्‍या सुंदर सुबह है",
        "hello, kitty!",
    ],
)
def test_harmless_text_passes(text: str) -> None:
    assert check(text).findings == ()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("not without gore", "gore-terms"),
        ("do not hide the gore", "gore-terms"),
        ("no censorship, gore", "gore-terms"),
        ("no naked children", "minor-sexual"),
    ],
)
def test_a_negation_that_asks_for_something_does_not_hide_it(text: str, rule: str) -> None:
    assert rule in {finding.rule for finding in check(text).findings}


def test_a_licensed_name_may_be_used_and_no_other() -> None:
    assert check("Mickey Mouse sails").action is Action.BLOCK
    assert check("Mickey Mouse sails", allowed_names=LICENSED).action is Action.ALLOW
    assert check("Mickey Mouse meets Pikachu", allowed_names=LICENSED).action is Action.BLOCK
    # A licence for a name is none for what is shown with it.
    assert check("gore with Mickey Mouse", allowed_names=LICENSED).categories == ("gore",)


def test_prompts_of_a_chain_are_read_together() -> None:
    assert check("my neighbour in the garden").action is Action.ALLOW
    assert check("she has been undressed").action is Action.ALLOW
    verdict = check("naked, at noon", ancestors=["a woman in the garden"])
    assert verdict.first.stage is Stage.REMIX_CHAIN
    assert check("a man", "rain", "he is naked").first.stage is Stage.STORYBOARD


def test_a_negative_prompt_may_name_what_to_avoid_but_not_clothes() -> None:
    assert check("gore, nudity", field="negative_prompt").action is Action.ALLOW
    assert check("clothes", field="negative_prompt").action is Action.BLOCK


def test_a_refusal_names_category_gate_and_cost() -> None:
    error = ModerationBlocked(check("graphic gore"), "gore and graphic violence", appeal="decision_1")
    assert error.code == "moderation_blocked"
    for part in ("gore and graphic violence", "checking inputs", "nothing is charged", "decision_1"):
        assert part in str(error)


def test_an_operator_extends_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        """
categories:
  brand: {title: our rules, severity: 1, action: review}
  gore: {action: review}
rules:
  - {id: clowns, category: brand, phrases: {en: [clown]}}
disable: [marks]
"""
    )
    policy = policies.load(path)
    assert policy.version != POLICY.version
    assert screen(policy, [Text("a cl0wn")]).first.rule == "clowns"
    assert screen(policy, [Text("graphic gore")]).action is Action.REVIEW
    assert screen(policy, [Text("a Pepsi can")]).action is Action.ALLOW
    path.write_text("extends: nothing\ncategories: {a: {title: a, severity: 1, action: block}}")
    assert screen(policies.load(path), [Text("graphic gore")]).action is Action.ALLOW
    assert policies.load(tmp_path / "missing.yaml") is POLICY


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("categories: {sexual_minors: {action: review}}", "categories.sexual_minors"),
        ("disable: [minor-sexual]", "disable"),
        ("rules: [{id: minor-sexual, category: gore, phrases: {en: [clown]}}]", "rules"),
        ("rules: [{id: a, category: none, phrases: {en: [clown]}}]", "rules.a.category"),
        ("rules: [{id: a, category: gore, phrases: {en: ['a*']}}]", "rules.a.phrases"),
        ("rules: [{id: a, category: gore}]", "rules.a"),
        ("colour: red", "colour"),
        ("a: [", "policy"),
        ("rules: &all []\ndisable: *all", "policy"),
    ],
)
def test_a_wrong_policy_is_refused(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as raised:
        policies.load(path)
    assert raised.value.field == field
