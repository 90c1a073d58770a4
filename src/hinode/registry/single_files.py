"""Single files in place of a model's denoisers: which parts they replace, and whether they can."""

from __future__ import annotations

from pathlib import Path

from hinode.errors import BadInput, quote
from hinode.registry import families, inspection, paths
from hinode.registry.entry import Entry

DIFFUSERS_PREFIX = "transformer_blocks."
"""Prefix of tensor names in diffusers' layout, in the families whose files it does not convert."""


def replaced_parts(entry: Entry) -> tuple[str, ...]:
    """Names of the parts whose weights come from single files."""
    return families.find(entry.family).denoisers if entry.base else ()


def check(entry: Entry, home: Path) -> None:
    """Make sure that the single files of an entry can replace its denoisers, as far as they are here.

    Raises:
        BadInput: they cannot.
    """
    family = families.find(entry.family)
    if not entry.base:
        return
    files = [reference for reference in (entry.source, entry.second) if reference]
    if len(files) < len(family.denoisers):
        raise BadInput(
            f"a model of the family {family.name} has two networks, and one file is named",
            "name the file for high noise with --source and the one for low noise with --second",
            field="second",
        )
    if len(files) > len(family.denoisers):
        raise BadInput(
            f"a model of the family {family.name} has one network, and two files are named",
            "leave --second out",
            field="second",
        )
    if not family.converted:
        for reference in files:
            _check_names(paths.locate(reference, entry, home), family.name)


def _check_names(file: Path, family: str) -> None:
    """Make sure that diffusers can read a file without converting the names of its tensors."""
    suffix = file.suffix.lower()
    if suffix != ".gguf" and not (file.is_file() and suffix in inspection.SAFE):
        return  # not here yet, or a pickle, whose names cannot be read without running it
    names = () if suffix == ".gguf" else inspection.tensor_shapes(file)
    if not any(name.startswith(DIFFUSERS_PREFIX) for name in names):
        raise BadInput(
            f"of the family {family} diffusers reads a single file only as safetensors whose tensors "
            f"have its own names, and {quote(file.name, 200)} is no such file",
            "add the folder of the whole model in Diffusers' layout",
            field="source",
        )
