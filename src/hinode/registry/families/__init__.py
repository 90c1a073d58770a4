"""The families of open checkpoints, one module per maker; nothing here imports torch. To add a family, add it
to the `FAMILIES` of its maker's module, and a tiny model of it to `tests/engines/diffusers/tiny_models`.
Sizes, frame rules, rates, steps, guidance and shifts are what the makers publish;
`docs/reference/families.md` lists the sources."""

from __future__ import annotations

from hinode.errors import BadInput, join_names, quote
from hinode.registry.families import cogvideox, hunyuan, ltx, wan
from hinode.registry.families.family import Family

_MAKERS = (wan, ltx, cogvideox, hunyuan)

FAMILIES: dict[str, Family] = {family.name: family for maker in _MAKERS for family in maker.FAMILIES}
"""Every family by its name."""


def find(name: str) -> Family:
    """The family called `name`; BadInput if there is none."""
    if name not in FAMILIES:
        remedy = f"choose {join_names(tuple(FAMILIES), 'or')}"
        raise BadInput(f"there is no family {quote(name)}", remedy, field="family")
    return FAMILIES[name]
