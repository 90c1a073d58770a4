"""Every colour of the drawn world, as sRGB triples 0..255."""

from __future__ import annotations

Paint = tuple[int, int, int]

PAPER: dict[str, Paint] = {
    "red": (221, 52, 50),
    "orange": (244, 140, 36),
    "yellow": (251, 210, 56),
    "green": (56, 166, 82),
    "blue": (42, 100, 216),
    "purple": (132, 66, 184),
    "pink": (245, 134, 182),
    "white": (249, 247, 241),
}
# parts of cut-outs that have the same colour on all; cream is also the edge that lifts one off any background
PARTS: dict[str, Paint] = {
    "cream": (253, 246, 227),
    "ink": (44, 40, 62),
    "basket": (150, 100, 62),
    "flame": (255, 176, 64),
}

# sky from zenith to horizon (three stops), then the sun or moon, then the light that falls on the land
SKY: dict[str, tuple[Paint, Paint, Paint]] = {
    "dawn": ((128, 146, 214), (206, 180, 218), (255, 210, 190)),
    "noon": ((52, 136, 230), (120, 190, 246), (200, 232, 250)),
    "sunset": ((78, 44, 126), (214, 84, 96), (255, 172, 88)),
    "night": ((8, 12, 40), (20, 28, 72), (48, 58, 116)),
}
DISC: dict[str, Paint] = {
    "dawn": (255, 240, 206),
    "noon": (255, 236, 150),
    "sunset": (255, 216, 120),
    "night": (250, 244, 214),
}
# place of the disc: x and y in frame fractions, radius in short sides
DISC_AT: dict[str, tuple[float, float, float]] = {
    "dawn": (0.24, 0.47, 0.085),
    "noon": (0.76, 0.15, 0.075),
    "sunset": (0.70, 0.46, 0.115),
    "night": (0.78, 0.18, 0.075),
}
LIGHT: dict[str, tuple[float, float, float]] = {
    "dawn": (0.98, 0.86, 0.88),
    "noon": (1.0, 1.0, 1.0),
    "sunset": (0.92, 0.66, 0.66),
    "night": (0.30, 0.34, 0.52),
}

# land from the farthest sheet to the nearest
LAND: dict[str, tuple[Paint, Paint, Paint]] = {
    "hills": ((142, 196, 128), (92, 166, 92), (50, 124, 72)),
    "mountains": ((132, 140, 172), (98, 104, 140), (66, 70, 104)),
    "sea": ((74, 168, 198), (40, 132, 178), (22, 96, 150)),
    "desert": ((238, 198, 132), (222, 164, 92), (194, 126, 66)),
    "city": ((150, 146, 176), (112, 106, 146), (74, 68, 106)),
}
WINDOW: dict[str, Paint] = {
    "dawn": (250, 226, 180),
    "noon": (214, 226, 240),
    "sunset": (255, 214, 130),
    "night": (255, 214, 112),
}
STORM: Paint = (118, 126, 144)
FROST: Paint = (236, 242, 250)
MIST: Paint = (226, 228, 230)
DROP: Paint = (206, 222, 244)
