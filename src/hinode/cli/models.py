"""`hinode models`: which models there are, and on what terms; adding one, fetching it, forgetting it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hinode.cli.exits import exit_on_error
from hinode.cli.table import print_table
from hinode.errors import join_names
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.engines.inventory import Item
    from hinode.licensing.operator import Operator
    from hinode.registry.entries import Entry
    from hinode.registry.inspection import Watch

models = typer.Typer(help="Models: list, show, add, remove, pull, verify, operator.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Its name.", show_default=False)]


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Print every model of every engine, and whether you can use it."""
    with exit_on_error():
        from hinode.engines import inventory

        items = inventory.items(_settings())
        if as_json:
            print(json.dumps([_told(item) for item in items]))
            return
        print_table(
            ("NAME", "ENGINE", "FAMILY", "LICENCE", "SIZE", "USABLE"),
            [
                (
                    item.name,
                    item.engine,
                    item.family or "-",
                    item.licence or "-",
                    _size(item.bytes),
                    "yes" if item.usable else "no",
                )
                for item in items
            ],
        )
        for item in items:
            if item.reason:
                print(f"{item.name}: {item.reason}", file=sys.stderr)


@models.command("show")
def show_model(name: Name, as_json: AsJson = False) -> None:
    """Print what is known of a model, and the terms of its licence in plain words."""
    with exit_on_error():
        from hinode.engines import inventory

        settings = _settings()
        item = inventory.find(name, settings)
        terms = inventory.terms(item)
        if as_json:
            print(json.dumps(_told(item) | {"terms": terms}))
            return
        for word, value in _facts(item):
            print(f"{word:<11}{value}")
        print("\n".join(["", *terms]))


@models.command("add")
def add_model(
    name: Annotated[str, typer.Argument(help="What you call it.", show_default=False)],
    family: Annotated[str, typer.Option(help="Which kind of network it is.", show_default=False)],
    source: Annotated[
        str,
        typer.Option(
            help="A folder in Diffusers' layout, a weight file, or ORG/REPO[/FILE] on the hub.",
            show_default=False,
        ),
    ],
    revision: Annotated[
        str, typer.Option(help="Commit, branch or tag on the hub; by default the newest.", show_default=False)
    ] = "",
    profile: Annotated[str, typer.Option(help="draft, standard or best.")] = "standard",
    lora: Annotated[
        list[str] | None,
        typer.Option(help="PATH or PATH:WEIGHT, here or on the hub; may be repeated.", show_default=False),
    ] = None,
    lora_weight: Annotated[
        list[float] | None,
        typer.Option(help="How strongly, for all LoRAs or for each in order.", show_default=False),
    ] = None,
    lora_profiles: Annotated[
        list[str] | None,
        typer.Option(
            help="Profiles that the LoRA is for, such as draft,standard; by default all.", show_default=False
        ),
    ] = None,
    lora_steps: Annotated[
        list[int] | None,
        typer.Option(
            help="Steps that the LoRA distils the model to; 0, the default, if it does not.",
            show_default=False,
        ),
    ] = None,
    lora_shift: Annotated[
        list[float] | None,
        typer.Option(
            help="Timestep shift that it was distilled with; by default the one known for the family.",
            show_default=False,
        ),
    ] = None,
    eight_bits: Annotated[
        bool,
        typer.Option(
            "--eight-bits",
            help="8-bit weights on a processor too, in all profiles but best; a GPU needs no asking.",
        ),
    ] = False,
    licence: Annotated[
        str, typer.Option(help="Of the weights; by default that of the family.", show_default=False)
    ] = "",
    base: Annotated[
        str,
        typer.Option(
            help="For a single file: the folder or ORG/REPO with the other parts.", show_default=False
        ),
    ] = "",
    decoder: Annotated[
        str,
        typer.Option(help="A tiny decoder for drafts and previews: a file of TAEHV.", show_default=False),
    ] = "",
    lora_licence: Annotated[
        list[str] | None,
        typer.Option(help="Licence of all LoRAs, or of each in order.", show_default=False),
    ] = None,
    second: Annotated[
        str,
        typer.Option(
            help="For a single file of a model with two denoisers: the file with the other one.",
            show_default=False,
        ),
    ] = "",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Let weights be loaded that can run code.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a model known that lies on this machine or on the hub."""
    with exit_on_error():
        from hinode import engines
        from hinode.engines import inventory
        from hinode.registry import acquisition, entries

        settings = _settings()
        with _progress(shown=not as_json) as watch:
            entry = acquisition.add(
                name,
                settings.home,
                family=family,
                source=source,
                revision=revision,
                profile=profile,
                loras=acquisition.parse_loras(
                    lora or (),
                    weights=lora_weight or (),
                    profiles=lora_profiles or (),
                    steps=lora_steps or (),
                    shifts=lora_shift or (),
                ),
                eight_bits=eight_bits,
                licence=licence,
                base=base,
                decoder=decoder,
                pickle=allow_pickle,
                lora_licences=lora_licence or (),
                second=second,
                reserved_names=engines.reserved_names(settings),
                watch=watch,
            )
        item = inventory.find(entry.name, settings)
        if as_json:
            print(json.dumps(_told(item)))
            return
        if item.reason:
            print(f"note: {item.reason}", file=sys.stderr)
        print(entries.path(entry.name, settings.home))


@models.command("pull")
def pull_model(name: Name, as_json: AsJson = False) -> None:
    """Fetch a model from the hub, or what is still missing of it."""
    with exit_on_error():
        from hinode.engines import inventory
        from hinode.registry import acquisition, entries, huggingface

        settings = _settings()
        entry = entries.find(name, settings.home)
        with _progress(shown=not as_json) as watch:
            endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
            acquisition.pull(entry, settings.home, lambda: huggingface.HuggingFace(endpoint), watch)
        if as_json:
            print(json.dumps(_told(inventory.find(name, settings))))
        else:
            print(entries.pulled_folder(name, settings.home))


@models.command("verify")
def verify_model(
    name: Annotated[
        str | None, typer.Argument(help="Its name; by default every one.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of an added model again, and name what differs from when it was added."""
    with exit_on_error():
        from hinode.registry import acquisition, entries

        home = _settings().home
        chosen = (
            [name]
            if name is not None
            else [known.name for known in entries.entries(home).values() if known.pulled]
        )
        found, good = [], True
        for one in chosen:
            with _progress(shown=not as_json) as watch:
                verdict = acquisition.verify(entries.find(one, home), home, watch)
            good = good and verdict.good
            found.append({"name": one, "good": verdict.good} | dataclasses.asdict(verdict))
            if not as_json:
                for word, files in (
                    ("missing", verdict.missing),
                    ("changed", verdict.changed),
                    ("added", verdict.added),
                ):
                    for file in files:
                        print(f"{one}: {word}: {file}")
                if verdict.good:
                    print(f"{one}: {verdict.checked} files as they were")
        if as_json:
            print(json.dumps(found))
        if not good:
            raise typer.Exit(1)


@models.command("remove")
def remove_model(name: Name, as_json: AsJson = False) -> None:
    """Forget an added model and delete what was pulled for it; your own files stay."""
    with exit_on_error():
        from hinode.registry import entries

        home = _settings().home
        freed = entries.remove(name, home)
        if as_json:
            print(json.dumps({"name": name, "freed": freed}))
        else:
            print(f"removed {name}" + (f", {_size(freed)} freed" if freed else ""))


@models.command("operator")
def state_operator(
    territory: Annotated[
        list[str] | None,
        typer.Option(
            help="Where you are, and where what you make is shown: DE, GB, US, or EU; may be repeated.",
            show_default=False,
        ),
    ] = None,
    revenue: Annotated[
        float | None, typer.Option(help="Annual revenue in US dollars; 0 for none.", show_default=False)
    ] = None,
    monthly_users: Annotated[
        int | None, typer.Option(help="Users, or visits, a month.", show_default=False)
    ] = None,
    commercial: Annotated[
        bool | None,
        typer.Option("--commercial/--no-commercial", help="Whether it is for money.", show_default=False),
    ] = None,
    permission: Annotated[
        list[str] | None,
        typer.Option(
            help="A licence that you hold from the licensor itself, or are registered for; may be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """State where you are and how large, once; without options, print what you stated."""
    with exit_on_error():
        from hinode.licensing import licences, operator

        home = _settings().home
        given: dict[str, Any] = {
            "territories": None if territory is None else operator.parse_territories(territory),
            "annual_revenue": revenue,
            "monthly_users": monthly_users,
            "commercial": commercial,
            "permissions": None
            if permission is None
            else tuple(sorted({licences.find(key).key for key in permission})),
        }
        given = {word: value for word, value in given.items() if value is not None}
        stated = dataclasses.replace(operator.read(home), **given)
        if given:
            operator.write(stated, home)
        if as_json:
            print(json.dumps(dataclasses.asdict(stated)))
        else:
            _tell_operator(stated)


def _tell_operator(stated: Operator) -> None:
    not_stated = "not stated"
    money = not_stated if stated.annual_revenue is None else f"{stated.annual_revenue:,.0f} US dollars a year"
    users = not_stated if stated.monthly_users is None else f"{stated.monthly_users:,} a month"
    commercial = {None: not_stated, True: "yes", False: "no"}[stated.commercial]
    for word, value in (
        ("territories", " ".join(stated.territories) or not_stated),
        ("revenue", money),
        ("users", users),
        ("commercial", commercial),
        ("permissions", " ".join(stated.permissions) or "none"),
    ):
        print(f"{word:<13}{value}")


def _facts(item: Item) -> Iterator[tuple[str, str]]:
    """Lines about a model, for people."""
    yield "name", item.name
    yield "engine", item.engine
    yield "usable", "yes" if item.usable else f"no: {item.reason}"
    yield "licence", item.licence or "-"
    yield "size", _size(item.bytes)
    yield from item.profiles.items()
    entry = item.entry
    if entry is None:
        return
    yield "family", entry.family
    yield "source", entry.source + (f" at {entry.revision}" if entry.revision else "")
    yield "profile", entry.profile
    for word, value in (("second", entry.second), ("base", entry.base), ("decoder", entry.decoder)):
        if value:
            yield word, value
    for lora in entry.loras:
        told = f"{lora.source} at {lora.weight:g}"
        told += f", for {join_names(lora.profiles)} only" if lora.profiles else ""
        yield "lora", told + (f", distilled to {lora.steps} steps" if lora.steps else "")
    if entry.loras:
        yield "lora terms", ", ".join(lora.licence or "not stated" for lora in entry.loras)
    yield "files", f"{len(entry.files)}" if entry.pulled else "not pulled yet"
    if entry.pickle:
        yield "pickle", "allowed"


def _told(item: Item) -> dict[str, object]:
    told: dict[str, object] = {
        field.name: getattr(item, field.name) for field in dataclasses.fields(item) if field.name != "entry"
    }
    return told | {"entry": None if item.entry is None else _entry(item.entry)}


def _entry(entry: Entry) -> dict[str, object]:
    return dataclasses.asdict(entry)


def _size(count: int) -> str:
    """Bytes as people write them, in powers of a thousand."""
    if not count:
        return "-"
    for unit, least in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count} B"


def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Watch]:
    """A bar on standard error with the name of the file and the time left; none if nobody is looking."""
    if not shown or not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=None)

        def watch(name: str, done: int, total: int) -> None:
            bar.update(task, description=name[-40:], total=total, completed=done)

        yield watch
