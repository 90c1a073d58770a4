"""States of runs as bytes: they come back as they were, or are refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from hinode.engines import saved_state
from hinode.engines.protocol import State, UnusableState

IDENTITY = {"request": {"prompt": "a kite", "seed": 3}, "size": [64, 32]}
VALUES = {
    "step": 2,
    "nothing": None,
    "marks": b"\x00\xff",
    "nested": [1, (2.5, "three"), {"deep": True}],
    "array": np.arange(6, dtype=np.uint8).reshape(2, 3),
}


def saved(**more: object) -> State:
    return saved_state.save("native", 2, IDENTITY, {**VALUES, **more}, {"window-0": lambda: b"frames"})


def test_values_come_back_as_they_were() -> None:
    values = saved_state.restore(saved(), "native", IDENTITY)
    np.testing.assert_array_equal(values.pop("array"), VALUES["array"])
    assert values == {name: value for name, value in VALUES.items() if name != "array"}


def test_tensors_come_back_as_they_were() -> None:
    shared = torch.arange(8, dtype=torch.bfloat16)
    state = saved(latents=shared[:4], views=[shared.view(2, 4).T, shared])
    values = saved_state.restore(state, "native", IDENTITY)
    assert torch.equal(values["latents"], shared[:4])
    assert torch.equal(values["views"][0], shared.view(2, 4).T)
    assert values["latents"].dtype == torch.bfloat16
    assert isinstance(values["array"], np.ndarray)
    assert values["marks"] == VALUES["marks"]


def test_what_cannot_be_saved_is_known() -> None:
    assert saved_state.dumpable([1, {"a": (torch.zeros(1), np.float32(2), b"")}])
    for value in (object(), {1: 2}, [print]):
        assert not saved_state.dumpable(value)
    with pytest.raises(TypeError, match="object cannot be saved"):
        saved_state.dump([object()])


@pytest.mark.parametrize(
    ("engine", "identity"), [("remote", IDENTITY), ("native", {**IDENTITY, "size": [64, 64]})]
)
def test_a_state_of_something_else_is_refused(engine: str, identity: dict[str, object]) -> None:
    with pytest.raises(UnusableState, match=r"another request.*start from the beginning"):
        saved_state.restore(saved(), engine, identity)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"identity": 1}', b"PK\x03\x04", b"\xff" * 64])
def test_a_damaged_state_or_an_old_one_is_refused(body: bytes) -> None:
    for damaged in (body, saved().body[:100], saved_state.dump(IDENTITY)):
        with pytest.raises(UnusableState, match="damaged or of another version"):
            saved_state.restore(State("native", 2, damaged), "native", IDENTITY)


def test_a_state_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state = saved()
    monkeypatch.setattr(saved_state, "VERSION", saved_state.VERSION + 1)
    with pytest.raises(UnusableState, match="of another version"):
        saved_state.restore(state, "native", IDENTITY)


def test_a_whole_state_is_bytes_without_the_contents_of_its_parts() -> None:
    state = saved()
    content = saved_state.to_bytes(state)
    assert b"frames" not in content
    again = saved_state.from_bytes(content, str.encode)
    assert (again.engine, again.step, again.body) == (state.engine, state.step, state.body)
    assert {name: part() for name, part in again.parts.items()} == {"window-0": b"window-0"}
    elsewhere = saved_state.to_bytes(state, {"window-0": "digest"})
    assert saved_state.part_locations(elsewhere) == {"window-0": "digest"}
    assert saved_state.from_bytes(elsewhere, str.encode).parts["window-0"]() == b"digest"
    for damaged in (b"", b"{}\n", b"nothing", content[:20], b"[1]\n"):
        with pytest.raises(UnusableState, match="damaged"):
            saved_state.from_bytes(damaged, str.encode)


def test_states_without_tensors_need_no_torch() -> None:
    script = (
        "import sys; from hinode.engines import saved_state; "
        "state = saved_state.save('remote', 1, {}, {'job': 'x', 'inner': b'y'}); "
        "assert saved_state.restore(state, 'remote', {}) == {'job': 'x', 'inner': b'y'}; "
        "print('torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert output.strip() == "False"
