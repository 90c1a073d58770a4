"""The table of families is complete and consistent."""

from __future__ import annotations

import pytest

from hinode.errors import BadInput
from hinode.licensing import licences
from hinode.registry import families
from hinode.registry.families import FAMILIES
from hinode.registry.profiles import PROFILES

SIZES = ((1280, 720), (720, 1280), (1792, 1024), (100, 60), (4096, 16))


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    assert families.find("ltx-2") is FAMILIES["ltx-2"]
    with pytest.raises(BadInput, match=r"no family 'sora'; choose wan2\.1-t2v, ") as caught:
        families.find("sora")
    assert caught.value.field == "family"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_consistent(name: str) -> None:
    family = FAMILIES[name]
    assert family.name == name
    assert licences.find(family.licence).key == family.licence
    assert set(family.profiles) == set(PROFILES)
    step, offset = family.frame_rule
    for seconds in (0.01, 1.0, family.seconds):
        frames, network_frames = family.frame_counts(seconds)
        assert network_frames >= frames >= 1
        assert (network_frames - offset) % step == 0
    assert family.frame_counts(family.seconds)[1] <= family.max_frames + step
    for profile in family.profiles.values():
        for size in SIZES:
            width, height = family.sampled_size(size, profile)
            assert width % family.multiple == height % family.multiple == 0
            assert width * height <= max(family.pixels, family.multiple**2)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name.endswith("-distilled")])
def test_distilled_weights_take_one_pass_a_step_and_reuse_nothing(name: str) -> None:
    for profile in FAMILIES[name].profiles.values():
        assert (profile.guidance, profile.reuse) == (1.0, 0.0)
        assert profile.steps <= 8
        assert FAMILIES[name].shift((832, 480), profile) in (5.0, 8.0)
