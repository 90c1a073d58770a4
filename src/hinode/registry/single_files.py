"""Single files in place of a model's denoisers: which parts they replace, and whether they can."""

from __future__ import annotations

from pathlib import Path

from hinode.errors import BadInput, quote
from hinode.registry import families, inspection, paths
from hinode.registry.entry import Entry, Remote

DIFFUSERS_PREFIX = "transformer_blocks."
"""Prefix of tensor names in diffusers' layout, in the families whose files it does not convert."""


def replaced_parts(entry: Entry) -> tuple[str, ...]:
    """Names of the parts whose weights come from single files."""
    return families.find(entry.family).denoisers if entry.base else ()


def locate(entry: Entry, home: Path) -> dict[str, Path]:
    """The single files of a model by the names of the parts that they replace; empty for a whole pipeline.

    Raises:
        BadInput: there is no base, or there are more or fewer files than denoisers.
    """
    remote = Remote.of(entry.source)
    if not (remote.path if remote is not None else Path(entry.source).is_file()):
        return {}
    if not entry.base:
        raise BadInput(
            "a single file is only one part of a pipeline",
            "name the folder or the repository with the other parts with --base",
            field="base",
        )
    denoisers = families.find(entry.family).denoisers
    references = [reference for reference in (entry.source, entry.second) if reference]
    if len(references) < len(denoisers):
        raise BadInput(
            f"a model of the family {entry.family} has two networks, and one file is named",
            "name the file for high noise with --source and the one for low noise with --second",
            field="second",
        )
    if len(references) > len(denoisers):
        raise BadInput(
            f"a model of the family {entry.family} has one network, and two files are named",
            "leave --second out",
            field="second",
        )
    return {
        part: paths.locate(reference, entry, home)
        for part, reference in zip(denoisers, references, strict=True)
    }


def check_names(entry: Entry, home: Path) -> None:
    """Make sure that diffusers knows the names of the tensors in single files, as far as they are here.

    Raises:
        BadInput: it does not.
    """
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
