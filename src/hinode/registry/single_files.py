"""Single files in the place of a model's denoisers: which parts they stand for, and whether they can."""

from __future__ import annotations

from pathlib import Path

from hinode.errors import BadInput, quote
from hinode.registry import entries, inspection
from hinode.registry.entries import Entry

DENOISERS = ("transformer", "transformer_2")
"""The parts of a pipeline that a single file, and a second one, stand for."""
NAMED = "transformer_blocks."
"""What names of tensors in a denoiser begin with in diffusers, in families of which it knows no others."""


def parts(entry: Entry) -> tuple[str, ...]:
    """Names of the parts whose weights come from single files."""
    return DENOISERS[: 2 if entry.second else 1] if entry.base else ()


def check(entry: Entry, home: Path) -> None:
    """Make sure that single files can stand for the denoisers of the family, as far as they are here.

    Args:
        entry: a model.
        home: `Settings.home`.

    Raises:
        BadInput: they cannot.
    """
    family = entries.family(entry.family)
    if not entry.base or family is None:
        return
    networks = len(getattr(family, "denoisers", DENOISERS[:1]))
    if networks > len(parts(entry)):
        raise BadInput(
            f"a model of the family {entry.family} has two networks, and one file is named",
            "name the file for high noise with --source and the one for low noise with --second",
            field="second",
        )
    if networks < len(parts(entry)):
        raise BadInput(
            f"a model of the family {entry.family} has one network, and two files are named",
            "leave --second out",
            field="second",
        )
    if not getattr(family, "converted", True):
        for reference in (entry.source, entry.second)[:networks]:
            _check_names(entries.locate(reference, entry, home), entry)


def _check_names(file: Path, entry: Entry) -> None:
    """Make sure that a file can be read without names being converted."""
    kind = file.suffix.lower()
    if kind != ".gguf" and not (file.is_file() and kind in inspection.SAFE):
        return  # not here yet, or a pickle, which says nothing of its names without being run
    if kind == ".gguf" or not any(name.startswith(NAMED) for name in inspection.tensor_names(file)):
        raise BadInput(
            f"of the family {entry.family} diffusers reads a single file only as safetensors whose tensors "
            f"have its own names, and {quote(file.name, 200)} is no such file",
            "add the folder of the whole model in Diffusers' layout",
            field="source",
        )
