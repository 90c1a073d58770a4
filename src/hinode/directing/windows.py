"""A stretch that is longer than the network draws at once, cut into windows that overlap."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """What is drawn at once. All lengths are frames.

    Attributes:
        segment: index of the segment that it belongs to.
        start: first new frame, counted from the beginning of the segment.
        new: how many are new.
        head: how many frames before them it is given, to go on from there.
        tail: how many frames after them it is given, to lead there.
    """

    segment: int
    start: int
    new: int
    head: int
    tail: int

    @property
    def frames(self) -> int:
        """All that it shows."""
        return self.head + self.new + self.tail


def split(segment: int, frames: int, maximum: int, context: int, *, before: int, after: int) -> list[Window]:
    """Cut a segment into windows, in the order in which they are to be drawn.

    Each window but the first goes on from the one before it. If nothing stands before the segment and
    something after it, the last one is drawn first, and each of the others leads to the one after it.

    Args:
        segment: index of the segment.
        frames: its length.
        maximum: frames that the network draws at once; more than twice the context, else ValueError.
        context: frames that one window is given of another.
        before: frames before the segment that it goes on from.
        after: frames after it that it leads to.
    """
    if maximum <= 2 * context:
        raise ValueError(f"{maximum} frames at once are too few for a context of {context}")
    head, tail = min(before, context), min(after, context)
    backward = not head and tail > 0

    def context_of(index: int, count: int) -> tuple[int, int]:
        """Frames before and after the new ones of one window out of `count`."""
        return (
            head if index == 0 else (0 if backward else context),
            tail if index == count - 1 else (context if backward else 0),
        )

    def capacities(count: int) -> list[int]:
        """How many new frames fit into each of `count` windows."""
        return [maximum - sum(context_of(index, count)) for index in range(count)]

    count = 1
    while sum(capacities(count)) < frames:
        count += 1
    windows: list[Window] = []
    start = 0
    for index, capacity in enumerate(capacities(count)):
        left = frames - start
        new = min(capacity, -(-left // (count - index)))
        # What the later ones cannot take, this one has to.
        new = max(new, left - sum(capacities(count)[index + 1 :]))
        windows.append(Window(segment, start, new, *context_of(index, count)))
        start += new
    return windows[::-1] if backward else windows
