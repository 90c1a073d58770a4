from __future__ import annotations

import numpy as np
import pytest

from hinode.directing import camera
from hinode.world import motion


def test_named_moves_are_those_of_the_drawn_world() -> None:
    assert (camera.PAN_SPEED, camera.ZOOM_RATE) == (motion.PAN_SPEED, motion.ZOOM_RATE)
    assert camera.named("Pan left slowly and zoom in 2") == {"pan left": 0.5, "zoom in": 2.0}
    ((_, _, _), (at, pan, zoom)) = camera.followed({"pan right": 2.0}, 3.0)
    assert (at, pan, zoom) == (3.0, pytest.approx(2 * 3 * motion.PAN_SPEED), 1.0)
    track = camera.followed({"zoom out": 1.0}, 2.0)
    assert track[0] == (0.0, 0.0, 1.0)
    assert track[-1][2] == pytest.approx(np.exp(-motion.ZOOM_RATE * 3 * np.tanh(2 / 3)))
