"""What a person says of the licences of LoRAs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hinode.errors import BadInput
from hinode.licensing import licences
from hinode.registry.entries import Lora


def licensed(loras: Sequence[Lora], keys: Sequence[str]) -> tuple[Lora, ...]:
    """The same LoRAs with the licences that were stated.

    Args:
        loras: in their order.
        keys: of `licences.LICENCES`, or "" for one that is not known: none, one for all, or one for each.

    Raises:
        BadInput: there is no such licence, or their number does not fit.
    """
    if not keys:
        return tuple(loras)
    if len(keys) not in (1, len(loras)) or not loras:
        raise BadInput(
            f"--lora-licence is given {len(keys)} times and --lora {len(loras)} times",
            "give it once for all LoRAs, or once for each in their order",
            field="lora-licence",
        )
    found = [licences.find(key).key if key else "" for key in keys]
    return tuple(
        dataclasses.replace(lora, licence=found[place if len(found) > 1 else 0])
        for place, lora in enumerate(loras)
    )
