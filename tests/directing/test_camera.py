from __future__ import annotations

import numpy as np
import pytest

from hinode.directing import camera
from hinode.errors import BadInput
from hinode.world.book import motion


@pytest.mark.parametrize(
    "value",
    [
        "0,0.2,0.5; 2,0.8,0.5",
        [[0, 0.2, 0.5], ["2", 0.8, 0.5]],
        [{"seconds": 0, "x": 0.2, "y": 0.5}, {"seconds": 2, "x": 0.8, "y": 0.5}],
        [{"at": 0, "x": 0.2, "y": 0.5}, {"at": 2, "x": 0.8, "y": 0.5}],
        {"path": [[0, 0.2, 0.5], [2, 0.8, 0.5]]},
    ],
    ids=["text", "triples", "objects as in the API", "objects with at", "object with the list"],
)
def test_a_path_has_a_text_form_and_a_json_form(value: object) -> None:
    assert camera.parse_path(value) == ((0.0, 0.2, 0.5), (2.0, 0.8, 0.5))


@pytest.mark.parametrize(
    "value", ["0,1", [], [{"at": 0, "x": 1}], [{"at": 0, "seconds": 0, "x": 1}], ["0,1"]]
)
def test_a_moment_without_three_values_is_refused(value: object) -> None:
    with pytest.raises(BadInput, match="write seconds, x and y of each moment"):
        camera.parse_path(value)


def test_named_moves_are_those_of_the_drawn_world() -> None:
    assert (camera.PAN_SPEED, camera.ZOOM_RATE) == (motion.PAN, motion.ZOOM)
    assert camera.parse_moves("Pan left slowly and zoom in 2") == {"pan left": 0.5, "zoom in": 2.0}
    ((_, _, _), (at, pan, zoom)) = camera.trajectory({"pan right": 2.0}, 3.0)
    assert (at, pan, zoom) == (3.0, pytest.approx(2 * 3 * motion.PAN), 1.0)
    track = camera.trajectory({"zoom out": 1.0}, 2.0)
    assert track[0] == (0.0, 0.0, 1.0)
    assert track[-1][2] == pytest.approx(np.exp(-motion.ZOOM * 3 * np.tanh(2 / 3)))
