"""Whether an operator may use weights under their licence, and what a clip made with them has to say.
Several licences that hold together are written as an SPDX expression: "Apache-2.0 AND CC-BY-NC-4.0"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hinode.errors import BadInput, join_names, quote
from hinode.licensing import operator as operators
from hinode.licensing.operator import EUROPEAN_UNION, Operator
from hinode.licensing.terms import LICENCES, READINGS, Licence

__all__ = [
    "AND",
    "LICENCES",
    "Licence",
    "check",
    "combine",
    "describe",
    "find",
    "refusal",
    "remark",
    "stamp",
    "terms",
]

AND = " AND "
REVENUE, USERS = "US dollars of annual revenue", "users a month"

_BY_FOLDED_KEY = {key.casefold(): licence for key, licence in LICENCES.items()}


def find(key: str) -> Licence:
    """The licence called `key`, in upper or lower case; BadInput if there is none."""
    licence = _BY_FOLDED_KEY.get(key.casefold())
    if licence is None:
        remedy = f"choose {join_names(tuple(LICENCES), 'or')}"
        raise BadInput(f"there is no licence {quote(key)}", remedy, field="licence")
    return licence


def combine(*keys: str) -> str:
    """The expression for licences that hold together; "" and repeated keys are left out."""
    return AND.join(dict.fromkeys(key for key in keys if key))


def _licences_in(expression: str) -> list[Licence]:
    """The licences of an expression that are known here."""
    keys = (key.casefold() for key in expression.split(AND))
    return [_BY_FOLDED_KEY[key] for key in keys if key in _BY_FOLDED_KEY]


def terms(expression: str) -> list[str]:
    """The terms of every licence of an expression in plain sentences, one a line; one that is not known here
    has none."""
    return [line for licence in _licences_in(expression) for line in describe(licence)]


def check(expression: str, home: Path) -> None:
    """Make sure that the operator may use weights under every licence of an expression. One that is not known
    here passes.

    Raises:
        BadInput: a licence excludes the operator, or depends on something that they have not stated.
        ModelError: the statement is damaged.
    """
    for licence in _licences_in(expression):
        # A licence without restrictions needs no statement, so a damaged statement does not matter.
        error = refusal(licence, Operator()) and refusal(licence, operators.read(home))
        if error is not None:
            raise error


class _Restriction(NamedTuple):
    """One restriction of a licence, applied to an operator.

    Attributes:
        option: option of `hinode models operator` that states what it depends on.
        violation: how the operator violates it; "" if they do not, or stated nothing.
        remedy: what to do; "" for a licence of their own.
    """

    option: str
    stated: bool
    violation: str
    remedy: str = ""


def refusal(licence: Licence, operator: Operator) -> BadInput | None:
    """Why the operator may not use weights under a licence, or None if they may."""
    if licence.key in operator.permissions:
        return None
    own = f"choose another model, or get a licence of your own from {licence.licensor} and state it with"
    permission = f"`hinode models operator --permission {licence.key}`"
    restrictions = list(_restrictions(licence, operator))
    for restriction in restrictions:
        if restriction.violation:
            remedy = f"{restriction.remedy or own} {permission}"
            return BadInput(f"the {licence.name} {restriction.violation}", remedy, field="model")
    missing = [restriction.option for restriction in restrictions if not restriction.stated]
    if not missing:
        return None
    message = f"the {licence.name} does not hold for everybody, and you have not stated what it depends on"
    remedy = f"state it once, such as `hinode models operator {' '.join(missing)}`"
    return BadInput(message, remedy, field="model")


def _restrictions(licence: Licence, operator: Operator) -> Iterator[_Restriction]:
    if licence.excluded:
        outside = tuple(code for code in operator.territories if code in licence.excluded)
        violation = f"grants nothing in {join_names(outside)} ({licence.territory_clause})" if outside else ""
        yield _Restriction("--territory DE", bool(operator.territories), violation)
    violation = remedy = ""
    if licence.noncommercial:
        violation = f"allows no commercial use, and you stated that yours is ({licence.noncommercial})"
    elif licence.registration is not None:
        clause, text = licence.registration.clause, licence.registration.text
        violation = f"asks for registration before commercial use ({clause})"
        remedy = f"{text[0].lower()}{text[1:].rstrip('.')}, then state it with"
    if violation:
        stated = operator.commercial is not None
        yield _Restriction("--no-commercial", stated, violation if operator.commercial else "", remedy)
    for ceiling, amount, option, unit in (
        (licence.revenue, operator.annual_revenue, "--revenue 0", REVENUE),
        (licence.users, operator.monthly_users, "--monthly-users 100", USERS),
    ):
        if ceiling is not None:
            violation = ""
            if amount is not None and ceiling.exceeded_by(amount):
                bound = f"{'at most' if ceiling.inclusive else 'less than'} {ceiling.maximum:,} {unit}"
                violation = f"is for those with {bound}, and you stated {amount:,.0f} ({ceiling.clause})"
            yield _Restriction(option, amount is not None, violation)


def describe(licence: Licence) -> list[str]:
    """The terms in plain sentences, one a line."""
    lines = [f"{licence.name}: {READINGS[licence.reading]}."]
    if licence.url:
        lines.append(f"Text: {licence.url}")
    if licence.excluded:
        codes = tuple(code for code in licence.excluded if code not in EUROPEAN_UNION)
        union = ("the European Union",) if set(EUROPEAN_UNION) <= set(licence.excluded) else ()
        lines.append(f"Not in {join_names((*union, *codes))} ({licence.territory_clause}).")
    for ceiling, unit in ((licence.revenue, REVENUE), (licence.users, USERS)):
        if ceiling is not None:
            bound = "up to" if ceiling.inclusive else "below"
            lines.append(f"Only {bound} {ceiling.maximum:,} {unit} ({ceiling.clause}).")
    if licence.noncommercial:
        lines.append(f"Not for commercial use ({licence.noncommercial}).")
    if licence.registration is not None:
        lines.append(f"{licence.registration.text} ({licence.registration.clause})")
    if licence.attribution:
        lines.append(f'Show "{licence.attribution}" beside what was made ({licence.attribution_clause}).')
    lines += [f"{duty.text} ({duty.clause})" for duty in licence.duties]
    if licence.use:
        lines.append(f"Use: {licence.use}")
    return lines


def stamp(expression: str) -> dict[str, object]:
    """What the metadata of a clip says of the licences of its weights; empty for ""."""
    if not expression:
        return {}
    licences = _licences_in(expression)
    names = {licence.key.casefold(): licence.name for licence in licences}
    facts: dict[str, object] = {
        "licence": AND.join(names.get(key.casefold(), key) for key in expression.split(AND)),
        "licence_url": ", ".join(licence.url for licence in licences if licence.url),
        "attribution": ", ".join(licence.attribution for licence in licences if licence.attribution),
        "licence_terms": [f"{duty.text} ({duty.clause})" for licence in licences for duty in licence.duties],
    }
    return {name: fact for name, fact in facts.items() if fact}


def remark(expression: str) -> str:
    """The same for people: a sentence with a blank before it, to add to the comment in a file; "" if no
    licence restricts what may be made."""
    restricting = [licence for licence in _licences_in(expression) if licence.use and licence.url]
    if not restricting:
        return ""
    credit = "".join(f" {licence.attribution}." for licence in restricting if licence.attribution)
    names = join_names(tuple(f"the {licence.name}" for licence in restricting))
    return f"{credit} Its weights are under {names}."
