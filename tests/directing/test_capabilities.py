from __future__ import annotations

import dataclasses

import pytest

from hinode.directing.capabilities import MAX_SECONDS, extend_capabilities
from hinode.request import CONTEXT_VIDEO, FIRST_FRAME, GUIDE_VIDEO, LAST_FRAME, SOURCE, Capabilities

CAPABILITIES = Capabilities(
    engine="some",
    model="one",
    models=("one",),
    operations=("generate",),
    prompt_characters=100,
    side=(16, 4096),
    pixels=10**6,
    seconds=(0.0, 5.0),
    fps=(1.0, 60.0),
    steps=(1, 200),
    native_sizes=(),
    native_fps=(16.0,),
    licence="Apache-2.0",
)


@pytest.mark.parametrize(
    ("references", "required", "gained"),
    [
        ((), (), set()),
        ((FIRST_FRAME,), (), {"extend", "storyboard"}),
        ((FIRST_FRAME,), (FIRST_FRAME,), {"extend"}),
        ((FIRST_FRAME, LAST_FRAME), (FIRST_FRAME, LAST_FRAME), set()),
        ((GUIDE_VIDEO,), (), {"remix", "edit"}),
        ((CONTEXT_VIDEO,), (), {"extend", "storyboard", "loop", "blend", "retake", "recut"}),
    ],
)
def test_what_a_model_gains_follows_from_what_it_can_be_given(
    references: tuple[str, ...], required: tuple[str, ...], gained: set[str]
) -> None:
    capabilities = dataclasses.replace(CAPABILITIES, references=references, required_references=required)
    more = extend_capabilities(capabilities)
    assert set(more.operations) - set(capabilities.operations) == gained
    assert (SOURCE in more.references) == bool(gained)
    longer = MAX_SECONDS if "extend" in gained else 5.0
    assert more.seconds == (0.0, longer)
    assert extend_capabilities(
        dataclasses.replace(capabilities, operations=("generate", "extend"))
    ).operations[:2] == (
        "generate",
        "extend",
    )
