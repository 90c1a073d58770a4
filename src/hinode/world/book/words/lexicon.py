"""The language of the picture book: every phrase that states a fact, and the words that state none.

A phrase is a lower-case string of words. Captions prefer the first phrase of each list; the parser knows all.
Words of `FILLER` state no fact but are expected in prompts.
"""

from __future__ import annotations

from hinode.world.prompts import phrases
from hinode.world.prompts.phrases import NEUTRAL, RELATION_WORDS, TIME_WORDS

__all__ = ["ATTRIBUTES", "FILLER", "NEUTRAL", "RELATION_WORDS", "TIME_WORDS", "WEATHER_WORDS"]

Phrases = dict[str, tuple[str, ...]]

KINDS: Phrases = {
    "balloon": ("balloon", "hot air balloon", "air balloon", "airship"),
    "bird": ("bird", "swallow", "sparrow", "songbird"),
    "boat": ("boat", "sailboat", "sailing boat", "ship", "yacht"),
    "kite": ("kite", "paper kite"),
    "rocket": ("rocket", "spaceship", "rocket ship", "spacecraft"),
    "ball": ("ball", "beach ball", "rubber ball"),
    "star": ("star", "paper star", "five pointed star"),
    "train": ("train", "steam train", "locomotive", "steam engine"),
    "fish": ("fish", "goldfish", "paper fish", "little fish"),
    "gull": ("gull", "seagull"),
    "lighthouse": ("lighthouse", "light house", "light tower"),
    "cat": ("cat", "kitten", "kitty", "pussycat"),
    "clock tower": ("clock tower", "bell tower", "clocktower"),
    "cottage": ("cottage", "house", "cabin", "little house", "farmhouse", "hut"),
    "camel": ("camel", "dromedary"),
    "snowman": ("snowman", "snow man"),
    "sledge": ("sledge", "sled", "sleigh", "toboggan"),
    "whale": ("whale", "humpback whale", "humpback"),
    "planet": ("planet", "ringed planet"),
    "rover": ("rover", "mars rover", "moon rover", "moon buggy", "space rover"),
}
PLURALS: dict[str, str] = {"fish": "fish", "snowman": "snowmen"}
"""Plurals of kinds that are not regular."""

COLOR_WORDS: Phrases = {
    **phrases.COLOR_WORDS,
    "black": ("black", "jet black", "ebony"),
    "grey": ("grey", "gray", "silver", "silvery"),
    "brown": ("brown", "chocolate", "chestnut", "chocolate brown"),
    "turquoise": ("turquoise", "teal", "aqua", "cyan"),
}

_GO = ("walking", "trotting", "driving", "steaming", "swims", "walks", "rolls", "drives", "runs", "trots")


def _each(verbs: tuple[str, ...], *tails: str) -> tuple[str, ...]:
    """Every verb with every tail."""
    return tuple(f"{verb} {tail}" for verb in verbs for tail in tails)


def _join(*texts: str) -> tuple[str, ...]:
    """Texts, once each."""
    return tuple(dict.fromkeys(texts))


MOTION_WORDS: Phrases = {
    **{motion: _join(*texts) for motion, texts in phrases.MOTION_WORDS.items()},
    **{
        side: _join(*phrases.MOTION_WORDS[side], *_each(_GO, side, f"to the {side}", f"towards the {side}"))
        for side in ("left", "right")
    },
    "rise": _join(*phrases.MOTION_WORDS["rise"], "blasting off", "blasts off"),
    "bounce": (*phrases.MOTION_WORDS["bounce"], "leaping", "leaps", "bouncing along"),
    "still": (*phrases.MOTION_WORDS["still"], "standing", "stands", "sitting", "sits", "rests", "waiting",
              "waits", "parked", "moored", "sleeping", "sleeps", "lying still", "hangs still", "at anchor"),
}  # fmt: skip
STILL_VERBS: Phrases = {
    "boat": ("moored", "at anchor"),
    "train": ("waiting", "parked", "standing still"),
    "rover": ("parked", "waiting", "standing still"),
    "sledge": ("parked", "standing still"),
    "cat": ("sitting", "sits", "sleeping", "sitting"),
    **dict.fromkeys(("lighthouse", "clock tower", "cottage", "snowman", "camel"), ("standing", "stands")),
}
"""What captions say of a kind that stays still, beside the phrases for all."""

WEATHER_WORDS: Phrases = {  # a sunny day is noon too
    **phrases.WEATHER_WORDS,
    "clear": tuple(text for text in phrases.WEATHER_WORDS["clear"] if text != "on a sunny day"),
}
PLACE_WORDS: Phrases = {
    "hills": ("hills", "hill", "green hills", "rolling hills", "countryside", "hillside"),
    "mountains": ("mountains", "mountain", "peaks", "mountain range", "snowy mountains", "snowy peaks",
                  "alps", "mountain peaks", "rocky mountains"),
    "sea": ("sea", "ocean", "waves", "water", "blue sea", "blue ocean", "seaside", "open sea", "open ocean",
            "beach", "coast", "bay", "harbour"),
    "desert": ("desert", "dunes", "sand dunes", "sand", "sandy desert", "pyramids"),
    "city": ("city", "skyline", "city skyline", "skyscrapers", "rooftops", "buildings", "metropolis",
             "downtown", "city lights"),
    "meadow": ("meadow", "meadows", "green meadow", "flower meadow", "field", "fields", "green field",
               "grassy field", "grass", "grassland", "wildflowers"),
    "village": ("village", "little village", "mountain village", "hamlet", "village street", "small town"),
    "underwater": ("underwater", "under the sea", "under water", "under the water", "beneath the waves",
                   "deep under the sea", "deep sea", "seabed", "sea floor", "ocean floor", "coral reef",
                   "reef", "corals", "below the waves"),
    "space": ("in space", "in outer space", "outer space", "among the stars", "deep space", "space",
              "between the planets", "galaxy", "in the cosmos", "cosmos"),
}  # fmt: skip
NEAR = {
    "sea": ("over the", "above the", "on the", "near the", "by the"),
    "underwater": ("over the", "near the", "above the"),
    "space": ("in", "through"),
    **dict.fromkeys(("hills", "mountains", "desert", "city", "meadow", "village"),
                    ("over the", "above the", "across the", "in the", "near the")),
}  # fmt: skip
"""What stands before the noun of a place in a sentence. Phrases with a preposition of their own need none."""

_PAN = ("camera pans", "camera panning", "camera moves", "panning", "pan", "pans", "camera pan", "slow pan",
        "panning shot")  # fmt: skip
_TILT = ("camera tilts", "camera tilting", "tilting", "tilt", "tilts", "camera tilt", "slow tilt",
         "camera looks", "camera pans", "camera moves")  # fmt: skip
_ZOOM = ("camera zooms", "camera zooming", "zooming", "zoom", "zooms", "camera zoom", "slow zoom")
_DOLLY = ("camera dollies", "dolly", "slow dolly", "dollying", "dolly shot", "camera dolly")
CAMERA_WORDS: Phrases = {
    "still": ("static camera", "still camera", "fixed camera", "static shot", "camera is still",
              "locked camera", "camera stays still", "camera does not move", "fixed shot", "camera still",
              "locked off shot", "steady camera", "tripod shot"),
    "pan left": _join("camera pans left", *_each(_PAN, "left", "to the left")),
    "pan right": _join("camera pans right", *_each(_PAN, "right", "to the right")),
    "zoom in": _join("camera zooms in", *_each(_ZOOM, "in")),
    "zoom out": _join("camera zooms out", *_each(_ZOOM, "out")),
    "tilt up": _join("camera tilts up", *_each(_TILT, "up", "upward", "upwards")),
    "tilt down": _join("camera tilts down", *_each(_TILT, "down", "downward", "downwards")),
    "dolly in": ("camera moves closer", "push in", *_each(_DOLLY, "in", "forward"), "camera pushes in",
                 "slow push in", "camera moves forward", "camera moves in", "moving closer",
                 "camera comes closer", "pushing in", "camera glides closer"),
    "dolly out": ("camera pulls back", "pull back", *_each(_DOLLY, "out", "back"), "camera pulls out",
                  "slow pull back", "camera moves back", "camera moves away", "pull out", "camera backs away",
                  "pulling back", "camera glides away"),
    "orbit": ("camera orbits around it", "orbit shot", "orbiting shot", "camera orbits", "orbiting camera",
              "camera circles around it", "camera circles around", "camera circles", "camera moves around it",
              "camera orbit", "arc shot", "camera goes around it", "360 shot"),
    "follow": ("camera follows it", "tracking shot", "camera follows", "following shot", "camera tracks it",
               "follow shot", "camera tracks", "camera following", "camera follows along", "follow cam"),
}  # fmt: skip

ATTRIBUTES: dict[str, Phrases] = {
    "kind": KINDS, "color": COLOR_WORDS, "motion": MOTION_WORDS, "time": TIME_WORDS, "place": PLACE_WORDS,
    "weather": WEATHER_WORDS, "camera": CAMERA_WORDS,
}  # fmt: skip
"""The phrases of every attribute, by its values."""

FILLER = (
    *phrases.FILLER,
    "none", "nobody", "nothing", "empty", "deserted", "lonely", "no", "people", "pair", "trio", "couple",
    "few", "lone", "single", "only", "old", "cosy", "cheerful", "busy", "full", "half", "them", "they", "all",
    "each", "along", "past", "between", "inside", "deep",
)  # fmt: skip
