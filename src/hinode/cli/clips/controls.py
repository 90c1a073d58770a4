"""Controls of a clip beside its prompt: characters, a path of the subject, camera moves and keyframes."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from hinode.cli.options import ClipOptions
from hinode.errors import BadInput, quote
from hinode.request import CHARACTER, FIRST_FRAME, KEYFRAME, PLAN, Reference, Request


@contextmanager
def with_controls(
    request: Request,
    clip: ClipOptions,
    keyframes: Sequence[str] | None,
    fit: str | None,
    path: str | None,
    camera: str | None,
    characters: Sequence[str] | None = None,
    frames: Mapping[str, Path | None] = MappingProxyType({}),
) -> Iterator[Request]:
    """The request with these controls, as they stand on the command line: "FILE@SECONDS" for each keyframe,
    "NAME=FILE" for each character. `frames` has the first and the last picture by their roles; they are
    cropped unless `fit` says otherwise. Resized copies of pictures exist as long as the block runs.

    Raises:
        BadInput: one of them cannot be read or does not fit the request.
    """
    if not (keyframes or characters or any(frames.values()) or fit or path or camera):
        yield request
        return
    from hinode.directing import camera as moves
    from hinode.directing import material, operations

    capabilities = clip.capabilities
    material.check_fit(fit)
    references = [*request.references, *(_character(text, request.prompt) for text in characters or ())]
    if path is not None:
        request = dataclasses.replace(request, path=moves.parse_path(path))
    if camera is not None:
        track, words = moves.parse_camera(camera, request.seconds, capabilities)
        request = dataclasses.replace(request, camera=track, prompt=request.prompt + words)
    with tempfile.TemporaryDirectory(prefix="hinode-") as scratch:
        folder = Path(scratch)
        for role, file in frames.items():
            if file is not None:
                field = "image" if role == FIRST_FRAME else "last image"
                picture = material.load_picture(
                    file, request.size, role, folder=folder, fit=fit or "crop", field=field
                )
                references.append(picture)
        for text in keyframes or ():
            file, moment = _keyframe(text)
            picture = material.load_picture(
                file, request.size, KEYFRAME, folder=folder, fit=fit, at=moment, field=KEYFRAME
            )
            references.append(picture)
        operations.check_keyframes(tuple(references), capabilities.native_fps[0], request.seconds)
        yield dataclasses.replace(request, references=tuple(references))


def read_plan(path: Path | None) -> str:
    """The scene plan in a JSON file, alone or as `hinode plan --json` prints it; "" without a file.

    Raises:
        BadInput: the file cannot be read.
    """
    if path is None:
        return ""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        remedy = "give one that `hinode plan --json` wrote"
        raise BadInput(f"the plan {path} cannot be read", remedy, field=PLAN) from error
    if isinstance(value, dict) and isinstance(value.get("plan"), dict):
        value = value["plan"]
    return json.dumps(value)


def _character(text: str, prompt: str) -> Reference:
    """The character of "NAME=FILE"; the prompt has to contain the name."""
    from hinode.directing import material

    name, _, file = text.partition("=")
    name = name.strip().removeprefix("@")
    if not name or not file:
        message = f"character {quote(text)} has no name or no file"
        raise BadInput(message, "write it like pip=pip.png, and @pip in the prompt", field=CHARACTER)
    reference = material.load_character(Path(file), name)
    if name.lower() not in prompt.lower():
        message = f"the prompt does not name the character {quote(name)}"
        raise BadInput(message, f"write @{name} where it appears", field=CHARACTER)
    return reference


def _keyframe(text: str) -> tuple[Path, float]:
    """The file and the moment of "FILE@SECONDS"."""
    name, _, moment = text.rpartition("@")
    try:
        seconds = float(moment)
    except ValueError:
        name, seconds = "", 0.0
    if not name:
        message = f"keyframe {quote(text)} has no moment"
        raise BadInput(message, "write it like picture.png@1.5, in seconds", field=KEYFRAME)
    return Path(name), seconds
