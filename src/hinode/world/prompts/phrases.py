"""Phrases that state a fact in any drawn world, by attribute and value, and words that state none.

A phrase is a lower-case string of words. Captions prefer the first phrase of each list; the parser knows all.
Words of `FILLER` state no fact but are expected in prompts.
"""

from __future__ import annotations

COLOR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "ruby"),
    "orange": ("orange", "tangerine", "amber"),
    "yellow": ("yellow", "golden", "lemon", "gold"),
    "green": ("green", "emerald", "jade"),
    "blue": ("blue", "azure", "cobalt", "sapphire"),
    "purple": ("purple", "violet", "lilac"),
    "pink": ("pink", "rose", "magenta"),
    "white": ("white", "ivory", "cream"),
}
_GO = ("moving", "drifting", "flying", "gliding", "sailing", "travelling", "traveling", "floating", "going",
       "heading", "sliding", "racing", "moves", "drifts", "flies", "glides", "sails", "travels", "floats",
       "goes", "heads", "slides", "crossing", "running", "rolling", "swimming")  # fmt: skip
_UP = ("rising", "climbing", "ascending", "soaring", "rises", "climbs", "ascends", "soars", "lifting off",
       "lifts off", "taking off", "takes off")  # fmt: skip
_DOWN = ("falling", "descending", "dropping", "sinking", "falls", "descends", "drops", "sinks", "plunging",
         "coming down", "comes down", "tumbling")  # fmt: skip


def _each(verbs: tuple[str, ...], *tails: str) -> tuple[str, ...]:
    """Every verb with every tail."""
    return tuple(f"{verb} {tail}" for verb in verbs for tail in tails)


_TAILS = ("{}", "to the {}", "towards the {}")
_LEFT, _RIGHT = (_each(_GO, *(tail.format(side) for tail in _TAILS)) for side in ("left", "right"))
MOTION_WORDS: dict[str, tuple[str, ...]] = {
    "left": ("moving left", *_LEFT, "from right to left", "leftward", "leftwards", "left"),
    "right": ("moving right", *_RIGHT, "from left to right", "rightward", "rightwards", "right"),
    "rise": ("rising", *_UP, *_each((*_GO, "rising", "climbing", "soaring"), "up"), *_each(_GO, "upward"),
             *_each(_GO, "upwards"), "rise", "upward", "upwards"),
    "fall": ("falling", *_DOWN, *_each((*_GO, "falling", "sinking", "tumbling"), "down"),
             *_each(_GO, "downward"), *_each(_GO, "downwards"), "fall", "downward", "downwards"),
    "bounce": ("bouncing", "hopping", "jumping", "bouncing up and down", "jumping up and down", "bounces",
               "hops", "jumps", "bounces up and down", "hopping up and down", "moving up and down",
               "bobbing up and down", "bounce"),
    "circle": ("circling", "going in circles", "flying in circles", "moving in circles", "moving in a circle",
               "flying in a circle", "circles", "orbiting", "looping", "goes in circles", "flies in circles",
               "going round in circles", "circling around", "looping around", "in circles", "in a circle",
               "circle"),
    "still": ("staying still", "hovering", "standing still", "holding still", "motionless", "resting",
              "hovers", "stands still", "stays still", "hanging still", "floating in place",
              "hovering in place", "not moving", "keeping still", "remaining still", "still", "at rest"),
}  # fmt: skip
TIME_WORDS: dict[str, tuple[str, ...]] = {
    "dawn": ("at dawn", "at sunrise", "at daybreak", "in the early morning", "in the morning", "dawn",
             "sunrise", "daybreak", "early morning", "morning", "first light"),
    "noon": ("at noon", "at midday", "in the middle of the day", "in daylight", "in broad daylight", "noon",
             "midday", "daytime", "daylight", "during the day", "by day", "in the daytime",
             "in the afternoon", "afternoon"),
    "sunset": ("at sunset", "at dusk", "in the evening", "at sundown", "sunset", "dusk", "evening", "sundown",
               "golden hour", "at golden hour", "in the sunset", "twilight"),
    "night": ("at night", "at midnight", "under the stars", "under the moon", "in the moonlight", "night",
              "midnight", "by moonlight", "moonlight", "in the dark", "nighttime", "moonlit", "starry night",
              "under a starry sky", "at nighttime", "starlit", "stars"),
}  # fmt: skip
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", "in clear weather", "clear weather", "clear sky", "clear", "sunny",
              "clear skies", "under clear skies", "blue sky", "cloudless", "fine weather", "on a sunny day",
              "bright sky"),
    "rain": ("in the rain", "rain", "rainy", "in heavy rain", "while it rains", "raining", "rain falling",
             "falling rain", "rain falls", "it rains", "it is raining", "in rainy weather", "a rainstorm",
             "rainstorm", "rainy weather", "in a downpour", "downpour", "drizzle", "showers", "storm"),
    "snow": ("in the snow", "snow", "snowy", "in falling snow", "while it snows", "snowing", "snow falling",
             "falling snow", "snow falls", "it snows", "it is snowing", "snowfall", "in snowy weather",
             "snowflakes", "snowy weather", "snowstorm", "blizzard"),
    "fog": ("in the fog", "fog", "foggy", "in thick fog", "in the mist", "mist", "misty", "in foggy weather",
            "haze", "hazy", "foggy weather", "in a fog", "through the fog", "through the mist"),
}  # fmt: skip
RELATION_WORDS: dict[str, tuple[str, ...]] = {
    **{f"{side} of": (f"to the {side} of", f"on the {side} of", f"{side} of", f"to the {side} side of",
                      f"on the {side} side of") for side in ("left", "right")},
    "above": ("above", "over", "on top of", "high above"),
    "below": ("below", "under", "underneath", "beneath"),
    "behind": ("behind", "partly behind"),
    "in front of": ("in front of",),
}  # fmt: skip
"""Where the subject before it is, seen from the subject after it."""

# phrases that would otherwise be taken for a motion
NEUTRAL = ("on the left", "on the right", "left side", "right side", "left hand side", "right hand side",
           "at the left", "at the right")  # fmt: skip

FILLER = tuple(
    """a an the and with of over above across by in on at to from under through near beside past against into
    onto while as it is are was there here this that its his her their one two up down slowly gently quickly
    fast slow small large big little tiny huge paper cut cutout art style scene video clip shot film animation
    picture image cinematic beautiful pretty lovely calm quiet peaceful bright dark soft colorful colourful
    sky skies air clouds cloud day weather light sun moon camera view landscape background foreground front
    behind side top bottom middle center centre frame wide close long short time some very high low far deep
    layered paper made moving drifting flying gliding sailing travelling traveling floating going move fly
    float drift sail glide travel wind breeze heavy falls another other both together first second then also
    hot three""".split()  # noqa: SIM905
)
