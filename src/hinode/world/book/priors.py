"""Where each subject is at home: places, heights, sizes and motions for what a prompt leaves open.

What the words ask for is drawn even where it is odd ("a boat in the desert"); these tables only fill in the
rest. Levels and sizes are in short sides of the frame; a level is a y down from the frame's middle.
"""

from __future__ import annotations

KINDS = ("balloon", "bird", "boat", "kite", "rocket", "ball", "star", "train", "fish", "gull", "lighthouse",
         "cat", "clock tower", "cottage", "camel", "snowman", "sledge", "whale", "planet",
         "rover")  # fmt: skip
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "grey", "brown",
          "turquoise")  # fmt: skip
PLACES = ("hills", "mountains", "sea", "desert", "city", "meadow", "village", "underwater", "space")
RESTS = ("air", "ground", "water", "rails")

HOMES: dict[str, tuple[str, ...]] = {
    "hills": ("balloon", "bird", "kite", "ball", "cottage", "star", "train"),
    "mountains": ("train", "balloon", "bird", "star", "cottage"),
    "sea": ("boat", "gull", "lighthouse", "whale", "fish", "boat"),
    "desert": ("balloon", "camel", "balloon", "rover", "star"),
    "city": ("rocket", "cat", "clock tower", "balloon", "star", "bird"),
    "meadow": ("kite", "ball", "bird", "cottage", "cat", "balloon"),
    "village": ("snowman", "sledge", "star", "cat", "train"),
    "underwater": ("fish", "whale", "fish", "star"),
    "space": ("rocket", "planet", "star", "rover"),
}
MOTIONS: dict[str, tuple[str, ...]] = {
    "balloon": ("rise", "left", "right", "still", "fall"),
    "bird": ("left", "right", "circle", "rise"),
    "boat": ("left", "right", "still"),
    "kite": ("still", "circle", "rise", "left", "right"),
    "rocket": ("rise", "rise", "right", "left", "circle"),
    "ball": ("bounce", "bounce", "left", "right"),
    "star": ("still", "fall", "circle"),
    "train": ("left", "right", "still"),
    "fish": ("left", "right", "circle"),
    "gull": ("left", "right", "circle"),
    "lighthouse": ("still",),
    "cat": ("left", "right", "still", "bounce"),
    "clock tower": ("still",),
    "cottage": ("still",),
    "camel": ("left", "right", "still"),
    "snowman": ("still", "bounce"),
    "sledge": ("left", "right", "still"),
    "whale": ("left", "right", "rise"),
    "planet": ("still", "left", "right"),
    "rover": ("left", "right", "still"),
}
SIZES: dict[str, tuple[float, float]] = {
    "balloon": (0.26, 0.42), "bird": (0.2, 0.28), "boat": (0.28, 0.4), "kite": (0.26, 0.36),
    "rocket": (0.28, 0.4), "ball": (0.16, 0.24), "star": (0.16, 0.26), "train": (0.3, 0.38),
    "fish": (0.2, 0.32), "gull": (0.2, 0.28), "lighthouse": (0.4, 0.52), "cat": (0.22, 0.3),
    "clock tower": (0.5, 0.66), "cottage": (0.28, 0.36), "camel": (0.28, 0.36), "snowman": (0.28, 0.36),
    "sledge": (0.26, 0.34), "whale": (0.4, 0.56), "planet": (0.28, 0.44), "rover": (0.22, 0.3),
}  # fmt: skip
HEIGHTS: dict[str, tuple[float, float]] = {
    "balloon": (0.28, 0.5), "bird": (0.22, 0.4), "gull": (0.2, 0.38), "star": (0.16, 0.36),
    "planet": (0.26, 0.4), "kite": (0.28, 0.42), "fish": (0.4, 0.62), "whale": (0.32, 0.5),
}  # fmt: skip
"""Usual heights of what flies or swims, in fractions of the frame."""
FEET: dict[str, float] = {"boat": 0.36, "whale": 0.18, "fish": 0.2}
"""From a cut-out's middle down to where it stands or floats, in its sizes; half where nothing is said."""
LEVELS: dict[tuple[str, str], tuple[float, float]] = {
    ("hills", "ground"): (0.36, 0.42), ("mountains", "ground"): (0.42, 0.46),
    ("desert", "ground"): (0.33, 0.4), ("city", "ground"): (0.40, 0.45), ("meadow", "ground"): (0.36, 0.43),
    ("village", "ground"): (0.34, 0.42), ("underwater", "ground"): (0.42, 0.46),
    ("space", "ground"): (0.38, 0.44), ("sea", "ground"): (0.13, 0.15), ("sea", "water"): (0.285, 0.315),
    ("mountains", "rails"): (0.196, 0.196), ("hills", "rails"): (0.36, 0.42),
}  # fmt: skip
"""Where something stands, floats or rolls in a place."""

_AIR = ("balloon", "bird", "gull", "kite", "rocket", "star", "planet")
_SWIMMERS = ("whale", "fish")
_BUILDINGS = ("lighthouse", "clock tower", "cottage", "snowman")


def rest(kind: str, place: str, motion: str) -> str:
    """What a subject is in or on, one of `RESTS`: a train takes the rails where there are some, a boat the
    water; what flies is in the air, and so is what moves up, down or in circles in a way that its kind does
    not."""
    if motion in ("rise", "fall", "circle"):
        return "air"
    if kind in _AIR or (kind in _SWIMMERS and place != "sea"):
        return "air"
    if place == "sea" and kind not in _BUILDINGS:
        return "water"
    return "rails" if kind == "train" and (place, "rails") in LEVELS else "ground"
