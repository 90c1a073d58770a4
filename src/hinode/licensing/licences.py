"""Whether the operator may use weights under their licence, and what a clip made with them has to say.

The terms are data (`terms.py`), and so is what the operator stated (`operator.py`): where they are and how
large. A licence that excludes them is refused with its clause named, before anything is loaded.
"""

from __future__ import annotations

from pathlib import Path

from hinode.errors import BadInput, join_names, quote
from hinode.licensing.operator import EUROPEAN_UNION, Operator, stated
from hinode.licensing.terms import LICENCES, READINGS, Licence

__all__ = ["LICENCES", "Licence", "both", "check", "find", "needs", "plain", "refusal", "remark", "stamp"]

AND = " AND "
"""Between two licences that hold together, as in SPDX expressions."""

_BY_FOLDED = {key.casefold(): licence for key, licence in LICENCES.items()}


def find(key: str) -> Licence:
    """The licence called `key`, capitals or not.

    Raises:
        BadInput: there is none.
    """
    licence = _BY_FOLDED.get(key.casefold())
    if licence is None:
        raise BadInput(
            f"there is no licence {quote(key)}",
            f"choose {join_names(tuple(LICENCES), 'or')}",
            field="licence",
        )
    return licence


def both(*keys: str) -> str:
    """The expression for licences that hold together; those that are "" are left out, and so is each that is
    there already."""
    return AND.join(dict.fromkeys(key for key in keys if key))


def _known(expression: str) -> list[Licence]:
    """Those licences of an expression that are known here."""
    found = (_BY_FOLDED.get(key.casefold()) for key in expression.split(AND))
    return [licence for licence in found if licence is not None]


def refusal(licence: Licence, operator: Operator) -> str | None:
    """Why this operator may not use weights under `licence`, in one sentence with its remedy, or None."""
    grounds = _grounds(licence, operator)
    return None if grounds is None else "; ".join(grounds)


def check(key: str, home: Path) -> None:
    """Make sure that the operator of this house may use weights under the licence `key`.

    A name that is not known here passes: nothing is known against it.

    Args:
        key: of `LICENCES`, or several with " AND " between; every one of them has to allow it.
        home: `Settings.home`, where the operator's statement is.

    Raises:
        BadInput: the licence excludes them, or depends on something that they have not stated; the sentence
            names the clause.
        ModelError: the statement is damaged.
    """
    for licence in _known(key):
        # What holds for everybody needs no statement, and no damaged one stands in its way.
        grounds = _grounds(licence, Operator()) and _grounds(licence, stated(home))
        if grounds is not None:
            raise BadInput(*grounds, field="model")


def needs(licence: Licence, operator: Operator) -> tuple[str, ...]:
    """Options of `hinode models operator` that the licence depends on and the operator has not stated."""
    missing = (
        (bool(licence.excluded) and not operator.territories, "--territory DE"),
        (licence.revenue is not None and operator.annual_revenue is None, "--revenue 0"),
        (
            (licence.registration is not None or bool(licence.noncommercial)) and operator.commercial is None,
            "--no-commercial",
        ),
        (licence.users is not None and operator.monthly_users is None, "--monthly-users 100"),
    )
    return tuple(option for lacking, option in missing if lacking)


def _grounds(licence: Licence, operator: Operator) -> tuple[str, str] | None:
    """What is wrong and what to do about it."""
    if licence.key in operator.permissions:
        return None
    own = (
        f"choose another model, or get a licence of your own from {licence.licensor} and state it with "
        f"`hinode models operator --permission {licence.key}`"
    )
    outside = tuple(code for code in operator.territories if code in licence.excluded)
    if outside:
        return f"the {licence.name} grants nothing in {join_names(outside)} ({licence.territory_clause})", own
    for ceiling, amount, unit in (
        (licence.revenue, operator.annual_revenue, "US dollars of annual revenue"),
        (licence.users, operator.monthly_users, "users a month"),
    ):
        if ceiling is not None and amount is not None and ceiling.exceeded(amount):
            bound = "at most" if ceiling.included else "less than"
            return (
                f"the {licence.name} is for those with {bound} {ceiling.most:,} {unit}, and you stated "
                f"{amount:,.0f} ({ceiling.clause})",
                own,
            )
    if licence.noncommercial and operator.commercial:
        return (
            f"the {licence.name} allows no commercial use, and you stated that yours is "
            f"({licence.noncommercial})",
            own,
        )
    if licence.registration is not None and operator.commercial:
        asked = licence.registration.text[0].lower() + licence.registration.text[1:].rstrip(".")
        return (
            f"the {licence.name} asks for registration before commercial use ({licence.registration.clause})",
            f"{asked}, then state it with `hinode models operator --permission {licence.key}`",
        )
    missing = needs(licence, operator)
    if missing:
        return (
            f"the {licence.name} does not hold for everybody, and you have not stated what it depends on",
            f"state it once, such as `hinode models operator {' '.join(missing)}`",
        )
    return None


def plain(licence: Licence) -> list[str]:
    """The terms in sentences, one a line, for people."""
    lines = [f"{licence.name}: {READINGS[licence.reading]}."]
    if licence.url:
        lines.append(f"Text: {licence.url}")
    if licence.excluded:
        codes = tuple(code for code in licence.excluded if code not in EUROPEAN_UNION)
        union = ("the European Union",) if set(EUROPEAN_UNION) <= set(licence.excluded) else ()
        lines.append(f"Not in {join_names((*union, *codes))} ({licence.territory_clause}).")
    if licence.revenue is not None:
        word = "up to" if licence.revenue.included else "below"
        lines.append(
            f"Only {word} {licence.revenue.most:,} US dollars of annual revenue ({licence.revenue.clause})."
        )
    if licence.users is not None:
        word = "up to" if licence.users.included else "below"
        lines.append(f"Only {word} {licence.users.most:,} users a month ({licence.users.clause}).")
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


def stamp(key: str) -> dict[str, object]:
    """What a file that was made under the licence `key`, or several of them, says of it: `Label.facts` to
    add."""
    if not key:
        return {}
    known = _known(key)
    names = {licence.key.casefold(): licence.name for licence in known}
    urls = [licence.url for licence in known if licence.url]
    credits = [licence.attribution for licence in known if licence.attribution]
    duties = [f"{duty.text} ({duty.clause})" for licence in known for duty in licence.duties]
    return {
        "licence": AND.join(names.get(one.casefold(), one) for one in key.split(AND)),
        **({"licence_url": ", ".join(urls)} if urls else {}),
        **({"attribution": ", ".join(credits)} if credits else {}),
        **({"licence_terms": duties} if duties else {}),
    }


def remark(key: str) -> str:
    """The same for people: a sentence to add to the comment in a file, with a blank before it, or "".

    A licence that restricts no use is not spoken of.
    """
    known = [licence for licence in _known(key) if licence.use and licence.url]
    if not known:
        return ""
    credit = "".join(f" {licence.attribution}." for licence in known if licence.attribution)
    names = join_names(tuple(f"the {licence.name}" for licence in known))
    return f"{credit} Its weights are under {names}."
