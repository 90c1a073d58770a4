"""The arguments that give a pipeline the pictures and videos that a clip is made from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image

from hinode.clip import Frames
from hinode.engines.diffusers.task import Task
from hinode.media.reading import references
from hinode.media.resize import fit_image
from hinode.registry.families.family import EDIT, EXTEND
from hinode.request import CHARACTER, FIRST_FRAME, LAST_FRAME

GREY = (128, 128, 128)
"""VACE's placeholder for a frame to be sampled."""
KEEP, SAMPLE = 0, 255
"""Values of VACE's mask."""

DERIVED_ARGUMENTS = {
    "HunyuanVideo15ImageToVideoPipeline": ("height", "width"),
    "WanVideoToVideoPipeline": ("num_frames",),
    "CogVideoXVideoToVideoPipeline": ("num_frames",),
}
"""Arguments that a pipeline does not take, because it derives them from the picture or the video."""


def arguments(task: Task) -> dict[str, Any]:
    """The pipeline's arguments for the references of a task; BadInput if a file cannot be read."""
    if task.pipeline.startswith("WanVACE"):
        return _vace(task)
    if task.pipeline == "LTXConditionPipeline":
        return _ltx_video(task)
    if task.pipeline == "LTX2ConditionPipeline":
        return _ltx_2(task)
    if task.strength is not None:
        return {"video": list(_source(task, task.network_frames)), "strength": task.strength}
    pictures = {"image": _picture(task, FIRST_FRAME), "last_image": _picture(task, LAST_FRAME)}
    return {name: picture for name, picture in pictures.items() if picture is not None}


def assemble_clip(task: Task, frames: Frames) -> Frames:
    """The frames of the clip, behind those of the source if it is extended.

    `frames` is uint8 [T, H, W, 3], everything that the network sampled.
    """
    indices = task.clip_indices
    sampled = frames if indices == list(range(len(frames))) else frames[indices]
    if not task.source_frames:
        return sampled
    clip = np.empty((task.source_frames + len(sampled), *sampled.shape[1:]), np.uint8)
    for index, frame in enumerate(_source(task, task.source_frames)):
        clip[index] = np.asarray(frame)
    clip[task.source_frames :] = sampled
    return clip


def _vace(task: Task) -> dict[str, Any]:
    """VACE takes a frame for every one of the clip, and a mask of those to be sampled."""
    arguments: dict[str, Any] = {}
    characters = [reference for reference in task.request.references if reference.role == CHARACTER]
    if characters:
        arguments["reference_images"] = [references.middle(character) for character in characters]
    if task.request.operation == EDIT:
        # In grey the source says where things are, and leaves open what they look like.
        source = _source(task, task.network_frames)
        frames = {index: frame.convert("L").convert("RGB") for index, frame in enumerate(source)}
        return arguments | _masked_video(task, frames, keep=False)
    frames = dict(enumerate(_source_tail(task))) if task.request.operation == EXTEND else {}
    frames.update(_pictures(task, task.network_frames - 1))
    return arguments | (_masked_video(task, frames, keep=True) if frames else {})


def _masked_video(task: Task, frames: dict[int, Image.Image], *, keep: bool) -> dict[str, Any]:
    empty = Image.new("RGB", task.size, GREY)
    masks = {level: Image.new("L", task.size, level) for level in (KEEP, SAMPLE)}
    indices = range(task.network_frames)
    return {
        "video": [frames.get(index, empty) for index in indices],
        "mask": [masks[KEEP if keep and index in frames else SAMPLE] for index in indices],
    }


def _ltx_video(task: Task) -> dict[str, Any]:
    """LTX-Video takes pictures and pieces of video with their frame indices in the clip."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition, linear_quadratic_schedule

    conditions = []
    if task.request.operation == EXTEND:
        conditions.append(LTXVideoCondition(video=_source_tail(task), frame_index=0))
    for index, picture in _pictures(task, task.network_frames - 1):
        conditions.append(LTXVideoCondition(image=picture, frame_index=index))
    # The pipeline's own schedule, as numbers: it passes on a tensor where NumPy warns of one.
    timesteps = (linear_quadratic_schedule(task.schedule_steps) * 1000).tolist()
    return {"timesteps": timesteps} | ({"conditions": conditions} if conditions else {})


def _ltx_2(task: Task) -> dict[str, Any]:
    """LTX-2 takes pictures with the indices of their latent frames; -1 is the last one."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    pictures = _pictures(task, -1)
    return {"conditions": [LTX2VideoCondition(frames=picture, index=index) for index, picture in pictures]}


def _pictures(task: Task, last: int) -> list[tuple[int, Image.Image]]:
    """The pictures of the first and the last frame, with their indices: 0 and `last`."""
    pictures = ((0, _picture(task, FIRST_FRAME)), (last, _picture(task, LAST_FRAME)))
    return [(index, picture) for index, picture in pictures if picture is not None]


def _picture(task: Task, role: str) -> Image.Image | None:
    """The picture with a role, at the size that is sampled."""
    reference = task.request.reference(role)
    if reference is None:
        return None
    return fit_image(references.picture(reference), task.size, Image.Resampling.LANCZOS)


def _source(task: Task, count: int) -> Iterator[Image.Image]:
    """The first frames of the source, at the rate and size that are sampled."""
    assert task.request.source is not None
    return references.frames(task.request.source, Fraction(task.family.fps), task.size, count)


def _source_tail(task: Task) -> list[Image.Image]:
    """The frames at the end of a source that an extension continues from."""
    return list(deque(_source(task, task.source_frames), task.overlap))
