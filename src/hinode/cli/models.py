"""`hinode models`: list, show, add, pull, verify and remove models, and state who operates them."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hinode.cli.command import Command
from hinode.cli.options import AsJson
from hinode.cli.table import print_table
from hinode.errors import join_names
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.engines.inventory import Item
    from hinode.licensing.operator import Operator
    from hinode.registry.entry import Entry, Lora
    from hinode.registry.inspection import Watch

models = typer.Typer(help="Add, list, show, pull, verify and remove models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the model.")]


def _option(metavar: str, help: str, default: str | None = None) -> Any:
    return typer.Option(metavar=metavar, help=help, show_default=default or False)


@models.command("list", cls=Command)
def list_models(as_json: AsJson = False) -> None:
    """Print every model of every engine, and whether you can use it."""
    from hinode.engines import inventory

    items = inventory.items(_settings())
    if as_json:
        print(json.dumps([_as_json(item) for item in items]))
        return
    rows = []
    for item in items:
        size, usable = _format_bytes(item.bytes), "yes" if item.usable else "no"
        rows.append((item.name, item.engine, item.family or "-", item.licence or "-", size, usable))
    print_table(("NAME", "ENGINE", "FAMILY", "LICENCE", "SIZE", "USABLE"), rows)
    for item in items:
        if item.reason:
            print(f"{item.name}: {item.reason}", file=sys.stderr)


@models.command("show", cls=Command)
def show_model(name: Name, as_json: AsJson = False) -> None:
    """Print what is known of a model, and the terms of its licence in plain words."""
    from hinode.engines import inventory

    item = inventory.find(name, _settings())
    terms = inventory.describe_terms(item)
    if as_json:
        print(json.dumps(_as_json(item) | {"terms": terms}))
        return
    for label, value in _facts(item):
        print(f"{label:<11}{value}")
    print("\n".join(["", *terms]))


@models.command("add", cls=Command)
def add_model(
    name: Name,
    family: Annotated[str, _option("NAME", "Family of the checkpoint, see docs/reference/families.md.")],
    source: Annotated[
        str, _option("SOURCE", "Diffusers folder, weight file, or ORG/REPO[/FILE] on the hub.")
    ],
    revision: Annotated[
        str, _option("REVISION", "Commit, branch or tag of a source on the hub.", "the newest")
    ] = "",
    profile: Annotated[str, _option("NAME", "Default profile.", "standard")] = "standard",
    lora: Annotated[
        list[str] | None,
        _option(
            "PATH[:WEIGHT][@PROFILE,...][@NOISE][#STEPS[,SHIFT]]",
            "LoRA: a file or ORG/REPO/FILE; its weight (1); the profiles that it is for (all); which of two "
            "denoisers it is for: high, low or both (what its name says); the steps that it distils the "
            "model to, and its timestep shift (that of the family). Repeatable.",
        ),
    ] = None,
    lora_licence: Annotated[
        list[str] | None,
        _option("KEY", "Licence of all LoRAs, or if repeated of each in order.", "not stated"),
    ] = None,
    eight_bits: Annotated[
        bool,
        typer.Option("--eight-bits", help="Use 8-bit weights on a processor too, in all profiles but best."),
    ] = False,
    licence: Annotated[str, _option("KEY", "Licence of the weights.", "that of the family")] = "",
    base: Annotated[
        str, _option("SOURCE", "Of a single file: the folder or ORG/REPO with the other parts.")
    ] = "",
    second: Annotated[
        str, _option("SOURCE", "Of a single file in a family with two denoisers: the file of the second.")
    ] = "",
    decoder: Annotated[str, _option("SOURCE", "Tiny decoder for drafts and previews: a file of TAEHV.")] = "",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Allow weights that can run code.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a model that is on this machine or on the hub."""
    from hinode import engines
    from hinode.engines import inventory
    from hinode.engines.diffusers.loading import compatibility
    from hinode.registry import acquisition, entries, loras, paths
    from hinode.registry.entry import Entry

    settings = _settings()
    entry = Entry(
        name,
        entries.ENGINE,
        family,
        source,
        revision,
        profile=profile,
        loras=loras.parse(lora or (), lora_licence or ()),
        licence=licence,
        base=base,
        decoder=decoder,
        pickle=allow_pickle,
        eight_bits=eight_bits,
        second=second,
    )
    with _file_progress(show=not as_json) as watch:
        reserved = engines.reserved_names(settings)
        acquisition.add(entry, settings.home, reserved_names=reserved, watch=watch, check=compatibility.check)
    item = inventory.find(name, settings)
    if as_json:
        print(json.dumps(_as_json(item)))
        return
    if item.reason:
        print(f"note: {item.reason}", file=sys.stderr)
    print(paths.entry_file(name, settings.home))


@models.command("pull", cls=Command)
def pull_model(name: Name, as_json: AsJson = False) -> None:
    """Fetch a model from the hub, or what is still missing of it."""
    from hinode.engines import inventory
    from hinode.engines.diffusers.loading import compatibility
    from hinode.registry import acquisition, entries, huggingface, paths

    settings = _settings()
    entry = entries.find(name, settings.home)
    with _file_progress(show=not as_json) as watch:
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        connect = partial(huggingface.HuggingFace, endpoint)
        acquisition.pull(entry, settings.home, connect, watch, compatibility.check)
    if as_json:
        print(json.dumps(_as_json(inventory.find(name, settings))))
    else:
        print(paths.pulled_folder(name, settings.home))


@models.command("verify", cls=Command)
def verify_model(
    name: Annotated[
        str | None, typer.Argument(help="Name of the model.", show_default="every added model")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every file of an added model again, and list what differs from when it was added."""
    from hinode.registry import acquisition, entries

    home = _settings().home
    pulled = (entry.name for entry in entries.readable(home).values() if entry.pulled)
    results = []
    for model in pulled if name is None else [name]:
        with _file_progress(show=not as_json) as watch:
            result = acquisition.verify(entries.find(model, home), home, watch)
        results.append({"name": model, "good": result.good} | dataclasses.asdict(result))
        if as_json:
            continue
        for label in ("missing", "changed", "added"):
            for file in getattr(result, label):
                print(f"{model}: {label}: {file}")
        if result.good:
            print(f"{model}: {result.checked} files as they were")
    if as_json:
        print(json.dumps(results))
    if not all(result["good"] for result in results):
        raise typer.Exit(1)


@models.command("remove", cls=Command)
def remove_model(name: Name, as_json: AsJson = False) -> None:
    """Remove an added model and delete what was pulled for it; your own files stay."""
    from hinode.registry import entries

    freed = entries.remove(name, _settings().home)
    if as_json:
        print(json.dumps({"name": name, "freed": freed}))
    else:
        print(f"removed {name}" + (f", {_format_bytes(freed)} freed" if freed else ""))


@models.command("operator", cls=Command)
def state_operator(
    territory: Annotated[
        list[str] | None,
        _option("CODE", "Where you are, and where clips are shown: DE, GB, US, or EU. Repeatable."),
    ] = None,
    revenue: Annotated[float | None, _option("DOLLARS", "Annual revenue in US dollars; 0 for none.")] = None,
    monthly_users: Annotated[int | None, _option("NUMBER", "Users, or visits, a month.")] = None,
    commercial: Annotated[
        bool | None, typer.Option("--commercial/--no-commercial", help="Whether you do it for money.")
    ] = None,
    permission: Annotated[
        list[str] | None,
        _option("KEY", "Licence that the licensor granted you, or that you are registered for. Repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """State once where you are and how large; without options, print what you stated."""
    from hinode.licensing import licences, operator

    home = _settings().home
    options: dict[str, Any] = {
        "territories": territory and operator.parse_territories(territory),
        "annual_revenue": revenue,
        "monthly_users": monthly_users,
        "commercial": commercial,
        "permissions": permission and tuple(sorted({licences.find(key).key for key in permission})),
    }
    changes = {name: value for name, value in options.items() if value is not None}
    statement = dataclasses.replace(operator.read(home), **changes)
    if changes:
        operator.write(statement, home)
    if as_json:
        print(json.dumps(dataclasses.asdict(statement)))
    else:
        _print_operator(statement)


def _print_operator(operator: Operator) -> None:
    revenue, users = operator.annual_revenue, operator.monthly_users
    for label, value in (
        ("territories", " ".join(operator.territories)),
        ("revenue", "" if revenue is None else f"{revenue:,.0f} US dollars a year"),
        ("users", "" if users is None else f"{users:,} a month"),
        ("commercial", {None: "", True: "yes", False: "no"}[operator.commercial]),
        ("permissions", " ".join(operator.permissions) or "none"),
    ):
        print(f"{label:<13}{value or 'not stated'}")


def _facts(item: Item) -> Iterator[tuple[str, str]]:
    """Labels and values for `hinode models show`."""
    yield "name", item.name
    yield "engine", item.engine
    yield "usable", "yes" if item.usable else f"no: {item.reason}"
    yield "licence", item.licence or "-"
    yield "size", _format_bytes(item.bytes)
    yield from item.profiles.items()
    entry = item.entry
    if entry is None:
        return
    yield "family", entry.family
    yield "source", entry.source + (f" at {entry.revision}" if entry.revision else "")
    yield "profile", entry.profile
    for label, value in (("second", entry.second), ("base", entry.base), ("decoder", entry.decoder)):
        if value:
            yield label, value
    for lora in entry.loras:
        profiles = f", for {join_names(lora.profiles)} only" if lora.profiles else ""
        steps = f", distilled to {lora.steps} steps" if lora.steps else ""
        yield "lora", f"{lora.source} at {lora.weight:g}{profiles}{steps}{_noise(lora, entry)}"
    if entry.loras:
        yield "lora terms", ", ".join(lora.licence or "not stated" for lora in entry.loras)
    yield "files", f"{len(entry.files)}" if entry.pulled else "not pulled yet"
    if entry.pickle:
        yield "pickle", "allowed"


def _noise(lora: Lora, entry: Entry) -> str:
    """For which of two denoisers a LoRA is, in words; "" in a family with one."""
    from hinode.registry import families, loras

    if len(families.find(entry.family).denoisers) == 1:
        return ""
    return f", for {loras.noise_of(lora) or 'high and low'} noise"


def _as_json(item: Item) -> dict[str, object]:
    return dataclasses.asdict(item) | {"usable": item.usable}


def _format_bytes(count: int) -> str:
    """A size in powers of a thousand, or a dash for 0."""
    from rich.filesize import decimal

    return decimal(count) if count else "-"


def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@contextmanager
def _file_progress(*, show: bool) -> Iterator[Watch]:
    """A progress bar over the bytes of all files, with the name of the current one."""
    from hinode.progress import progress_bar

    with progress_bar(unit="bytes", show=show) as bar:
        task = bar.add_task("start", total=None)

        def watch(name: str, done: int, total: int) -> None:
            bar.update(task, description=name[-40:], total=total, completed=done)

        yield watch
