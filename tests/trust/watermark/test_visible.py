from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from hinode.errors import BadInput
from hinode.trust.watermark.visible import Notice, aigc


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1920, 1080)])
def test_a_notice_is_as_large_and_as_long_as_the_law_asks_for(size: tuple[int, int]) -> None:
    frame = np.full((size[1], size[0], 3), 90, np.uint8)
    notice = Notice("AI-generated", seconds=2.0)
    shown = notice.draw(frame, 0.0)
    rows = np.flatnonzero((shown > 200).all(-1).any(1))
    assert rows[-1] - rows[0] + 1 >= 0.05 * min(size)
    assert np.array_equal(shown[: size[1] // 2], frame[: size[1] // 2])
    assert np.array_equal(notice.draw(frame, 1.99), shown)
    assert notice.draw(frame, 2.0) is frame


def test_small_frames_have_a_shorter_notice() -> None:
    short = {size: Notice.short(size) for size in ((640, 360), (40, 24), (16, 16))}
    assert [notice and notice.text for notice in short.values()] == ["AI-generated", "AI", "AI"]
    for size, notice in short.items():
        frame = np.full((size[1], size[0], 3), 90, np.uint8)
        assert notice is not None
        assert not np.array_equal(notice.draw(frame, 0.0), frame)


@pytest.mark.parametrize("values", [{"text": ""}, {"text": "x", "seconds": 1}, {"text": "x", "height": 0.04}])
def test_a_notice_below_the_law_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Notice(**values)


def test_the_entry_of_chinese_law() -> None:
    values = json.loads(aigc("日の出", "0a1b"))
    assert list(values) == [
        "Label",
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    ]
    assert (values["Label"], values["ContentProducer"], values["ProduceID"]) == ("1", "日の出", "0a1b")
    with pytest.raises(BadInput, match="there is no label"):
        aigc("x", "1", label="4")
