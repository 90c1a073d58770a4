"""`hinode banks`: lists of hashes of pictures that screening stops."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import print_table
from hinode.errors import BadInput, quote
from hinode.settings import Settings

MAX_BANK_DISTANCE = 64
"""At 80, a picture in a bank of a million finds a stranger that matches."""

banks = typer.Typer(help="Add and test lists of hashes of pictures to stop.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the bank: small letters, digits and hyphens.")]


@banks.command("add", cls=Command)
def add_bank(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Text with a PDQ hash at the beginning of each line.")],
    category: Annotated[
        str, typer.Option(metavar="CATEGORY", help="Category of the policy that decides what is done.")
    ],
    distance: Annotated[
        int | None,
        typer.Option(
            metavar="BITS",
            help="Differing bits of 256 up to which a picture matches.",
            min=0,
            max=MAX_BANK_DISTANCE,
            show_default="31",
        ),
    ] = None,
) -> None:
    """Add a bank, or replace the one of this name; servers and workers of this machine use it at once."""
    from hinode.trust.screening import banks as hashes
    from hinode.trust.screening import policy as policies
    from hinode.trust.screening.pdq import MAX_DISTANCE, MIN_QUALITY

    settings = _settings()
    if category not in policies.load(settings.policy).categories:
        message = f"the policy has no category {quote(category)}"
        raise BadInput(message, "see `hinode policy check`", field="category")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        message = f"{quote(str(file), 200)} cannot be read: {reason}"
        raise BadInput(message, "name another file", field="file") from error
    bank, poor = hashes.add(
        settings.home, name, text, category, MAX_DISTANCE if distance is None else distance
    )
    left_out = f"; {poor:,} below the quality {MIN_QUALITY} are left out" if poor else ""
    print(f"the bank {name} has {len(bank.hashes):,} hashes of the category {category}{left_out}")


@banks.command("list", cls=Command)
def list_banks(as_json: options.AsJson = False) -> None:
    """List the banks of this machine."""
    from hinode.trust.screening import banks as hashes

    entries = hashes.load(_settings().home)
    if as_json:
        print(
            json.dumps(
                [
                    {
                        "name": bank.name,
                        "category": bank.category,
                        "distance": bank.distance,
                        "hashes": len(bank.hashes),
                    }
                    for bank in entries
                ]
            )
        )
        return
    rows = [(bank.name, bank.category, str(bank.distance), f"{len(bank.hashes):,}") for bank in entries]
    print_table(("NAME", "CATEGORY", "DISTANCE", "HASHES"), rows)


@banks.command("remove", cls=Command)
def remove_bank(name: Name) -> None:
    """Remove a bank."""
    from hinode.trust.screening import banks as hashes

    hashes.remove(_settings().home, name)
    print(f"the bank {name} is removed")


@banks.command("test", cls=Command)
def try_banks(
    files: Annotated[list[Path], typer.Argument(help="Pictures or videos.")], as_json: options.AsJson = False
) -> None:
    """Print the hash of pictures, and the banks that they match; of a video, of a frame of each second.

    Nothing is recorded.
    """
    from hinode.trust.screening import banks as hashes
    from hinode.trust.screening import pdq, samples

    entries = hashes.load(_settings().home)
    values: list[dict[str, Any]] = []
    for file in files:
        frames = samples.frames_of_file(file)
        row, quality = max(map(pdq.hash_frame, frames), key=lambda entry: entry[1])
        variants = hashes.hashes_of(frames)
        distances = {bank.name: pdq.distance(variants, bank.hashes) for bank in entries}
        matches = [bank.name for bank in entries if distances[bank.name] <= bank.distance]
        values.append(
            {
                "file": str(file),
                "hash": pdq.to_hex(row),
                "quality": quality,
                "distances": distances,
                "matches": matches,
            }
        )
    if as_json:
        print(json.dumps(values))
        return
    for value in values:
        print(f"{value['hash']},{value['quality']},{value['file']}")
        for name, distance in value["distances"].items():
            print(f"  {name}: distance {distance}{', a match' if name in value['matches'] else ''}")


def _settings() -> Settings:
    return Settings.from_environment(os.environ)
