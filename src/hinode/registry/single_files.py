"""Single files in place of a model's denoisers: which parts they replace, and whether they can."""

from __future__ import annotations

from pathlib import Path

from hinode.errors import BadInput, quote
from hinode.registry import families, inspection, paths
from hinode.registry.entry import Entry, Lora, Remote
from hinode.registry.loras import noise_of

DIFFUSERS_PREFIX = "transformer_blocks."
"""Prefix of tensor names in diffusers' layout, in the families whose files it does not convert."""


def replaced_parts(entry: Entry) -> tuple[str, ...]:
    """Names of the parts whose weights come from single files."""
    return families.find(entry.family).denoisers if entry.base else ()


def locate(entry: Entry, home: Path) -> dict[str, Path]:
    """The single files of a model by the names of the parts that they replace; empty for a whole pipeline.

    BadInput if there is no base, or if there are more or fewer files than denoisers.
    """
    remote = Remote.of(entry.source)
    if not (remote.path if remote is not None else Path(entry.source).is_file()):
        return {}
    if not entry.base:
        remedy = "name the folder or the repository with the other parts with --base"
        raise BadInput("a single file is only one part of a pipeline", remedy, field="base")
    denoisers = families.find(entry.family).denoisers
    files = [paths.locate(reference, entry, home) for reference in (entry.source, entry.second) if reference]
    if len(files) != len(denoisers):
        problem, remedy = "one network, and two files are named", "leave --second out"
        if len(files) < len(denoisers):
            problem = "two networks, and one file is named"
            remedy = "name the file for high noise with --source and the one for low noise with --second"
        raise BadInput(f"a model of the family {entry.family} has {problem}", remedy, field="second")
    noises = [noise_of(Lora(reference)) for reference in (entry.source, entry.second)]
    if len(files) == 2 and noises == ["low", "high"]:
        message = "the names of the files say that the source is for low noise and the second for high noise"
        raise BadInput(message, "give them the other way round", field="source")
    return dict(zip(denoisers, files, strict=True))


def check_names(entry: Entry, home: Path) -> None:
    """Raise BadInput if diffusers does not know the names of the tensors in a single file that is here."""
    if families.find(entry.family).converted:
        return
    for file in locate(entry, home).values():
        suffix = file.suffix.lower()
        if suffix != ".gguf" and not (file.is_file() and suffix in inspection.SAFE):
            continue  # not here yet, or a pickle, whose names cannot be read without running it
        names = () if suffix == ".gguf" else inspection.tensor_shapes(file)
        if not any(name.startswith(DIFFUSERS_PREFIX) for name in names):
            raise BadInput(
                f"of the family {entry.family} diffusers reads a single file only as safetensors whose "
                f"tensors have its own names, and {quote(file.name, 200)} is no such file",
                "add the folder of the whole model in Diffusers' layout",
                field="source",
            )
