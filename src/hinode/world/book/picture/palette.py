"""Light and air: what a time of day and a weather do to the colours of a place."""

from __future__ import annotations

from dataclasses import dataclass

from hinode.world.book.picture.canvas import lit, mixed
from hinode.world.book.scene import Scene

PAPER = {
    "red": "#d8352f", "orange": "#f0822a", "yellow": "#f7c531", "green": "#3d9a50", "blue": "#2f62d0",
    "purple": "#7c45b8", "pink": "#f07fae", "white": "#f7f4ee", "black": "#2b2833", "grey": "#8f939c",
    "brown": "#8a5734", "turquoise": "#2bb5b0",
}  # fmt: skip
SKIES = {
    "dawn": ("#8fa2dd", "#e9c3d6", "#ffe0c2"),
    "noon": ("#3f8fe8", "#8fcdfb", "#e4f5ff"),
    "sunset": ("#5a2d7c", "#d8466a", "#ff9a5a"),
    "night": ("#0c1030", "#232a62", "#4d4a8c"),
}
SPACE = {
    "dawn": ("#0a0a26", "#251a58", "#5a2f74"), "noon": ("#0a1030", "#16265c", "#2f4f86"),
    "sunset": ("#120620", "#3a1450", "#7a2a56"), "night": ("#07061c", "#1a1450", "#3a1f6b"),
}  # fmt: skip
DEEP = {
    "dawn": ("#8fcfd8", "#4f8fbf", "#26487e"), "noon": ("#5fd0d8", "#2a86b8", "#123a74"),
    "sunset": ("#d79a9a", "#6a6fae", "#2a2f6e"), "night": ("#1f4f86", "#123266", "#0a1a44"),
}  # fmt: skip
AMBIENT = {
    "dawn": (0.98, 0.86, 0.92), "noon": (1.0, 1.0, 1.0), "sunset": (0.98, 0.70, 0.68),
    "night": (0.42, 0.44, 0.66),
}  # fmt: skip
"""Light that falls on land and things on it."""
SUBJECT_LIGHT = {
    "dawn": (1.0, 0.97, 0.97), "noon": (1.0, 1.0, 1.0), "sunset": (1.0, 0.94, 0.92),
    "night": (0.9, 0.9, 0.96),
}  # fmt: skip
WINDOWS = {"dawn": "#ffe7b0", "noon": "#b4def5", "sunset": "#ffd873", "night": "#ffd45e"}


@dataclass(frozen=True)
class Light:
    """The light of a scene: `sky` (three colours from the zenith down), `ambient` on the land, `cast` on
    subjects, `haze` and its share on the farthest layer, `window` (colour of panes), `lamps` (share of lit
    ones), `frost` (0..1, how much snow lies)."""

    sky: tuple[str, str, str]
    ambient: tuple[float, float, float]
    cast: tuple[float, float, float]
    haze: str
    air: float
    window: str
    lamps: float
    frost: float
    weather: str
    time: str

    def at(self, color: str, depth: float) -> str:
        """A land colour under this light, seen through the air at a depth (0 far .. 1 near)."""
        shade = lit(color, self.ambient)
        if self.weather == "rain":
            grey = lit("#8a90a0", self.ambient)
            shade = mixed(shade, grey, 0.32)
        return mixed(shade, self.haze, self.share(depth))

    def share(self, depth: float) -> float:
        """The share of air before a layer at a depth, 0..1."""
        return min(1.0, self.air * (1.0 - 0.8 * depth))


Sky = tuple[str, str, str]


def _tinted(sky: Sky, tint: str, share: float) -> Sky:
    top, middle, low = (mixed(color, tint, share) for color in sky)
    return top, middle, low


def light(scene: Scene) -> Light:
    """The light of a scene's place, time and weather."""
    table = {"space": SPACE, "underwater": DEEP}.get(scene.place, SKIES)
    sky = table[scene.time]
    ambient, air = AMBIENT[scene.time], 0.32
    if scene.place == "village" and scene.time == "night":
        sky, ambient = ("#1c2a5e", "#46599c", "#a9b8de"), (0.8, 0.85, 0.98)
    if scene.place == "space":
        ambient, air = (0.94, 0.92, 0.98), 0.0
    grey, pale = lit("#9aa3b4", ambient), lit("#e9eef4", ambient)
    haze = sky[2]
    if scene.weather == "rain":
        sky = _tinted(sky, grey, 0.62)
        haze = mixed(haze, grey, 0.6)
    elif scene.weather == "snow":
        sky = _tinted(sky, pale, 0.3)
        haze = mixed(haze, pale, 0.4)
    elif scene.weather == "fog":
        sky = _tinted(sky, pale, 0.6)
        haze, air = mixed(haze, pale, 0.75), 0.92
    lamps = {"night": 0.65, "sunset": 0.45, "dawn": 0.25, "noon": 0.0}[scene.time]
    frost = 1.0 if scene.weather == "snow" else 0.0
    cast = SUBJECT_LIGHT[scene.time]
    return Light(sky, ambient, cast, haze, air, WINDOWS[scene.time], lamps, frost, scene.weather, scene.time)
