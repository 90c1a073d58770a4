"""Saved states of runs in the store: an object for the state, and one for each of its parts."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from hinode.engines import saved_state
from hinode.engines.protocol import State, UnusableState
from hinode.jobs.files.objects import Objects

MAX_HEAD_BYTES = 2**20
DISCARD_AGE = 5.0
"""A replaced state is removed at once if it is so many seconds old: a younger file may have been put into the
store by another job that is about to refer to it, and is left to the sweep."""


class Checkpoints:
    """The states of one run. A finished part of it is stored once, however often its state is."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._parts: dict[str, str] = {}  # digests of the parts that are stored, by name

    def put(self, state: State) -> str:
        """Store a state, and those of its parts that are not stored yet.

        Returns:
            Digest of the state.

        Raises:
            OSError: it cannot be written.
        """
        for name, part in state.parts.items():
            # `keep` makes a stored part young again, so no sweep removes it before the new state is recorded.
            if name not in self._parts or not self.objects.keep(self._parts[name]):
                self._parts[name], _ = self.objects.put(part())
        locations = {name: self._parts[name] for name in state.parts}
        digest, _ = self.objects.put(saved_state.to_bytes(state, locations))
        return digest

    def load(self, digest: str) -> State:
        """A stored state.

        Raises:
            OSError: it cannot be read.
            UnusableState: it is damaged or of another version.
        """
        content = self.objects.read(digest)
        self._parts = saved_state.part_locations(content)
        return saved_state.from_bytes(content, self.objects.read)


def part_digests(objects: Objects, checkpoints: Iterable[str]) -> set[str]:
    """The parts that stored states need.

    Args:
        objects: the store.
        checkpoints: digests of the states.

    Raises:
        OSError: a state cannot be read, so its parts are not known.
    """
    digests: set[str] = set()
    for checkpoint in checkpoints:
        with suppress(FileNotFoundError, UnusableState), objects.fetch(checkpoint).open("rb") as file:
            digests |= set(saved_state.part_locations(file.readline(MAX_HEAD_BYTES)).values())
    return digests
