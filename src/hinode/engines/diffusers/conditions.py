"""What a pipeline is given of the pictures and videos that a clip is drawn from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from hinode.clip import Frames
from hinode.engines.diffusers.task import Task
from hinode.media import references
from hinode.registry.family import EDIT, EXTEND
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME

GREY = (128, 128, 128)
"""What VACE takes for a frame that is to be drawn."""
KNOWN, DRAWN = 0, 255
"""What VACE's mask says of a frame."""

FOLLOWED = {
    "HunyuanVideo15ImageToVideoPipeline": ("height", "width"),
    "WanVideoToVideoPipeline": ("num_frames",),
    "CogVideoXVideoToVideoPipeline": ("num_frames",),
}
"""Arguments that a pipeline does not take: it follows the picture or the video."""


def arguments(task: Task) -> dict[str, Any]:
    """What the pipeline of a task is called with for its references; empty if it has none.

    Raises:
        BadInput: one of their files is missing or cannot be read.
    """
    if task.pipeline.startswith("WanVACE"):
        return _vace(task)
    if task.pipeline == "LTXConditionPipeline":
        return _conditions(task)
    if task.pipeline == "LTX2ConditionPipeline":
        return _latent_conditions(task)
    if task.strength is not None:
        return {"video": list(_film(task, task.drawn)), "strength": task.strength}
    pictures = {"image": _picture(task, FIRST_FRAME), "last_image": _picture(task, LAST_FRAME)}
    return {name: picture for name, picture in pictures.items() if picture is not None}


def joined(task: Task, drawn: Frames) -> Frames:
    """The clip: of the frames that were drawn those that are shown, behind the source if it is extended.

    Args:
        task: what was drawn.
        drawn: uint8 [T, H, W, 3], all that the pipeline gave.
    """
    shown = drawn if task.shown == list(range(len(drawn))) else drawn[task.shown]
    if not task.before:
        return shown
    made = np.empty((task.before + len(shown), *shown.shape[1:]), np.uint8)
    for place, frame in enumerate(_film(task, task.before)):
        made[place] = np.asarray(frame)
    made[task.before :] = shown
    return made


def _vace(task: Task) -> dict[str, Any]:
    """VACE is given every frame, and a mask that says which of them are to be drawn."""
    given: dict[str, Any] = {}
    characters = [one for one in task.request.references if one.role == CHARACTER]
    if characters:
        given["reference_images"] = [references.middle(one) for one in characters]
    first, last = _picture(task, FIRST_FRAME), _picture(task, LAST_FRAME)
    if task.request.operation == EDIT:
        # In grey it says where things are, and leaves open what they look like.
        frames = [frame.convert("L").convert("RGB") for frame in _film(task, task.drawn)]
        return given | _masked(task, dict(enumerate(frames)), known=False)
    known = {}
    if task.request.operation == EXTEND:
        known = dict(enumerate(_tail(task)))
    if first is not None:
        known[0] = first
    if last is not None:
        known[task.drawn - 1] = last
    return given | (_masked(task, known, known=True) if known else {})


def _masked(task: Task, frames: dict[int, Image.Image], *, known: bool) -> dict[str, Any]:
    empty = Image.new("RGB", task.size, GREY)
    masks = [Image.new("L", task.size, level) for level in (KNOWN, DRAWN)]
    return {
        "video": [frames.get(place, empty) for place in range(task.drawn)],
        "mask": [masks[not (known and place in frames)] for place in range(task.drawn)],
    }


def _conditions(task: Task) -> dict[str, Any]:
    """LTX-Video is given pictures and stretches of video with the places that they have in the clip."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition, linear_quadratic_schedule

    made = []
    if task.request.operation == EXTEND:
        made.append(LTXVideoCondition(video=_tail(task), frame_index=0))
    first, last = _picture(task, FIRST_FRAME), _picture(task, LAST_FRAME)
    if first is not None:
        made.append(LTXVideoCondition(image=first, frame_index=0))
    if last is not None:
        made.append(LTXVideoCondition(image=last, frame_index=task.drawn - 1))
    # The pipeline's own schedule, as numbers: it hands on a tensor where NumPy warns of one.
    given: dict[str, Any] = {"timesteps": (linear_quadratic_schedule(task.schedule) * 1000).tolist()}
    return given | ({"conditions": made} if made else {})


def _latent_conditions(task: Task) -> dict[str, Any]:
    """LTX-2 is given pictures with the latent frames that they are to be; -1 is the last one."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    places = ((FIRST_FRAME, 0), (LAST_FRAME, -1))
    pictures = [(_picture(task, role), place) for role, place in places]
    made = [LTX2VideoCondition(frames=one, index=place) for one, place in pictures if one is not None]
    return {"conditions": made}


def _picture(task: Task, role: str) -> Image.Image | None:
    """The picture that has a role, at the size that is drawn."""
    reference = task.request.reference(role)
    if reference is None:
        return None
    return ImageOps.fit(references.picture(reference), task.size, Image.Resampling.LANCZOS)


def _film(task: Task, count: int) -> Iterator[Image.Image]:
    """The first frames of the source, at the rate and size that are drawn."""
    assert task.request.source is not None
    return references.frames(task.request.source, Fraction(task.family.fps), task.size, count)


def _tail(task: Task) -> list[Image.Image]:
    """The frames at the end of the source that are drawn from when it is extended."""
    return list(deque(_film(task, task.before), task.overlap))
