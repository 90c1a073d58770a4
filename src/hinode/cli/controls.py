"""What a clip is given beside words on the command line: pictures at moments, a path, moves of the camera."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hinode.errors import BadInput, quote
from hinode.request import CHARACTER, KEYFRAME, Request
from hinode.settings import Settings


@contextmanager
def with_controls(
    request: Request,
    settings: Settings,
    keyframes: Sequence[str],
    fit: str | None,
    path: str | None,
    camera: str | None,
    characters: Sequence[str] = (),
) -> Iterator[Request]:
    """A request with all of that; copies of pictures are there as long as the block runs.

    Args:
        request: as it is without.
        settings: of this process.
        keyframes: "FILE@SECONDS" each.
        fit: how pictures are brought to the size; None if they have to have it.
        path: see `moves.path`.
        camera: see `moves.camera`.
        characters: "NAME=FILE" each.

    Raises:
        BadInput: something of it cannot be read.
    """
    if not keyframes and not characters and fit is None and path is None and camera is None:
        yield request
        return
    from hinode import directing
    from hinode.directing import camera as moves
    from hinode.directing import material, operations

    capabilities = directing.capabilities(request.engine, settings, request.model)
    material.check_fit(fit)
    cast = [material.character(file, name) for name, file in map(_character, characters)]
    for one in cast:
        if one.name.lower() not in request.prompt.lower():
            raise BadInput(
                f"the prompt does not name the character {quote(one.name)}",
                f"write @{one.name} where it appears",
                field=CHARACTER,
            )
    request = dataclasses.replace(request, references=(*request.references, *cast))
    if path is not None:
        request = dataclasses.replace(request, path=moves.path(path))
    if camera is not None:
        track, words = moves.camera(camera, request.seconds, capabilities)
        request = dataclasses.replace(request, camera=track, prompt=request.prompt + words)
    with tempfile.TemporaryDirectory(prefix="hinode-") as scratch:
        pictures = [
            material.picture(
                name, request.size, KEYFRAME, folder=Path(scratch), fit=fit, at=at, field=KEYFRAME
            )
            for name, at in map(_keyframe, keyframes)
        ]
        references = (*request.references, *pictures)
        operations.check_keyframes(references, capabilities.native_fps[0])
        yield dataclasses.replace(request, references=references)


def _character(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    if not name.strip() or not file:
        raise BadInput(
            f"character {quote(text)} has no name or no file",
            "write it like pip=pip.png, and @pip in the prompt",
            field=CHARACTER,
        )
    return name.strip().removeprefix("@"), Path(file)


def _keyframe(text: str) -> tuple[Path, float]:
    name, _, moment = text.rpartition("@")
    try:
        at = float(moment)
    except ValueError:
        name, at = "", 0.0
    if not name:
        raise BadInput(
            f"keyframe {quote(text)} has no moment",
            "write it like picture.png@1.5, in seconds",
            field=KEYFRAME,
        )
    return Path(name), at
