"""Who operates this installation, as far as licences ask: where they are, and how large. The operator states
it once, with `hinode models operator`; it is stored in `HOME/operator.toml`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hinode import tomlfile
from hinode.errors import BadInput, ModelError, quote
from hinode.parsing import Boolean, Integer, Number, parse_dataclass

FILE = "operator.toml"

_UNION = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EUROPEAN_UNION = tuple(_UNION.split())
"""ISO 3166-1 codes of the member states."""

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW
BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI
FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN
IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME
MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF
PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE
YT ZA ZM ZW
"""

TERRITORIES = frozenset(_CODES.split())
"""Every two-letter code of ISO 3166-1."""

ALIASES = {"UK": ("GB",), "EL": ("GR",), "EU": EUROPEAN_UNION}


@dataclass(frozen=True)
class Operator:
    """What the operator stated; what they did not state is empty or None.

    Attributes:
        territories: ISO 3166-1 codes of where they are, where the machines stand, and where clips are shown.
        annual_revenue: in US dollars, of all companies under one control.
        monthly_users: people, or visits, a month, over all that they offer.
        commercial: whether anything here is done for money.
        permissions: keys of licences that they hold from the licensor itself, or are registered for. Such a
            licence restricts them in nothing here.
    """

    territories: tuple[str, ...] = ()
    annual_revenue: Number | None = None
    monthly_users: Integer | None = None
    commercial: Boolean | None = None
    permissions: tuple[str, ...] = ()


def parse_territories(names: Iterable[str]) -> tuple[str, ...]:
    """ISO 3166-1 codes in alphabetical order; BadInput if a name is not a code or a key of `ALIASES`."""
    codes: set[str] = set()
    for name in names:
        code = name.strip().upper()
        if code not in TERRITORIES and code not in ALIASES:
            raise BadInput(
                f"there is no territory {quote(name)}",
                "give two letters of ISO 3166-1, such as DE, GB or US, or EU for all of the European Union",
                field="territory",
            )
        codes.update(ALIASES.get(code, (code,)))
    return tuple(sorted(codes))


def read(home: Path) -> Operator:
    """What the operator stated, from its file; nothing if there is none, ModelError if it is damaged."""
    path = home / FILE
    if not path.exists():
        return Operator()
    try:
        statement = parse_dataclass(Operator, tomlfile.read(path), what="the statement")
        return dataclasses.replace(statement, territories=parse_territories(statement.territories))
    except BadInput as error:
        raise ModelError(f"{path}: {error.message}", error.remedy) from error


def write(operator: Operator, home: Path) -> Path:
    """Store what the operator stated, and return the path of the file.

    Raises:
        BadInput: an amount is negative or not a number.
        OutputError: the file cannot be written.
    """
    for name, amount in (("revenue", operator.annual_revenue), ("monthly_users", operator.monthly_users)):
        if amount is not None and not 0 <= amount < 1e18:
            raise BadInput(f"{amount:g} is no amount of {name}", "give 0 or more", field=name)
    path = home / FILE
    values = {name: value for name, value in dataclasses.asdict(operator).items() if value is not None}
    tomlfile.write(path, values, "Where the operator is and how large; licences of models depend on it.")
    return path
