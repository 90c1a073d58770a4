"""The `hinode` command: it reads the command line, calls the rest of the house, prints what came of it."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from hinode import __version__
from hinode.errors import HinodeError
from hinode.request import Request, parse_size
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.engines.protocol import Progress as Step
    from hinode.pipeline import Result, Watch

# torch, NumPy and the media libraries are imported by the commands that need them: help and mistakes in the
# command line are answered at once.

INTERRUPTED = 130
TERMINATED = 143
RANDOM_SEEDS = 2**31

SLUG_CHARACTERS = 60
MOST_WORDS = 20

app = typer.Typer(
    help="Text to video on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; the entry point of the `hinode` script."""
    signal.signal(signal.SIGTERM, _terminated)  # as an exception, so that half-written files are removed
    app()


def _version(asked: bool) -> None:
    if asked:
        print(f"hinode {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="What to show, in words.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write (a folder for png). By default named after the prompt, in this folder; only "
            "a file that you name here is ever replaced.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "640x360",
    seconds: Annotated[float, typer.Option(help="Length of the clip.")] = 2.0,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second; by default the rate the model draws at.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same clip; by default a new one.", show_default=False),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps; by default the model's own number.", show_default=False),
    ] = None,
    engine: Annotated[str, typer.Option(help="Who draws.")] = "native",
    model: Annotated[
        str | None,
        typer.Option(help="Which of the engine's models; by default its best.", show_default=False),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="mp4, gif, webp, or png for a folder of frames; by default what the output ends in, or mp4.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about the clip.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the path.")] = False,
) -> None:
    """Make a video from words and print the path of its file."""
    with _plain_endings():
        width, height = parse_size(size)
        request = Request(
            prompt=prompt,
            width=width,
            height=height,
            seconds=seconds,
            fps=fps,
            seed=secrets.randbelow(RANDOM_SEEDS) if seed is None else seed,
            engine=engine,
            model=model,
            steps=steps,
        )
        from hinode import engines, pipeline
        from hinode.media import formats

        settings = Settings.from_environment(os.environ)
        kind = formats.choose(format, output)
        path = output or _free_name(request, kind)
        with _progress(shown=not (as_json or quiet)) as watch:
            result = pipeline.generate(request, engines.get(engine, settings), path, kind, watch)
        if as_json:
            print(json.dumps(result.as_json(), ensure_ascii=False))
        else:
            if not quiet:
                _tell(result)
            print(result.path)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="What to train: nano, mini, or judge.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder for the model, the state and the log.", show_default=False)
    ],
    minutes: Annotated[
        float | None,
        typer.Option(help="Length of the whole run; by default the recipe's.", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the state that is in the folder.")] = True,
    threads: Annotated[
        int | None, typer.Option(help="Processor threads; by default all.", show_default=False)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.", show_default=False)
    ] = None,
) -> None:
    """Train a model, or go on training it; stop whenever you like."""
    with _plain_endings():
        from hinode.training import train as run
        from hinode.training import train_judge

        settings = Settings.from_environment(os.environ)
        if recipe == "judge":
            print(train_judge(out, minutes=minutes or 25.0, threads=threads or settings.threads or 1))
            return
        path = run(
            recipe,
            out,
            minutes=minutes,
            resume=resume,
            threads=threads or settings.threads,
            device=device or settings.device,
        )
        print(path)


@app.command()
def evaluate(
    prompts: Annotated[
        Path,
        typer.Option(
            help='File of lines {"prompt": "...", "expect": {"subject": "balloon", "color": "red", ...}}.',
            show_default=False,
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Which model; by default the best.", show_default=False)
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Sampling steps; by default the model's own number.", show_default=False),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Draw in the native shape nearest to it; by default square.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only the first lines of the file; by default all.", show_default=False)
    ] = None,
    floors: Annotated[
        bool, typer.Option("--floors", help="Add the scores of ground truth, shuffled captions and the like.")
    ] = False,
    save_clips: Annotated[
        Path | None, typer.Option(help="Keep the clips in this file, for runs/card.py.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw given prompts and print how often the judge finds in them what was asked for."""
    with _plain_endings():
        from hinode.training.evaluate import evaluate_file

        settings = Settings.from_environment(os.environ)
        scores = evaluate_file(
            prompts,
            model=model,
            settings=settings,
            limit=limit,
            size=None if size is None else parse_size(size),
            steps=steps,
            with_floors=floors,
            save_clips=save_clips,
        )
        if as_json:
            print(json.dumps(scores))
        else:
            for title, table in {scores["model"]: scores, **scores.get("floors", {})}.items():
                _tell_scores(title, table)
            print(f"{scores['n']} prompts; in brackets, 95 % intervals")


def _tell(result: Result) -> None:
    """Say on standard error what was made, and what was made of the prompt."""
    size = "x".join(map(str, result.size))
    native = "x".join(map(str, result.native_size))
    lines = [
        f"{result.seconds:g} s at {size}, drawn at {native} by {result.model} from seed {result.seed} "
        f"in {sum(result.stage_seconds.values()):.1f} s",
        f"read as: {result.read_as}",
    ]
    if result.not_understood:
        words = result.not_understood[:MOST_WORDS]
        more = len(result.not_understood) - len(words)
        lines.insert(1, f"not understood: {', '.join(words)}" + (f" and {more} more words" if more else ""))
    print("\n".join(lines), file=sys.stderr)


def _tell_scores(title: str, scores: dict[str, Any]) -> None:
    """Print one table of an evaluation."""
    print(title.replace("_", " "))
    for name, score in {"whole prompt": scores["whole_prompt"], **scores["attributes"]}.items():
        print(f"  {name:<13}{score['accuracy']:7.1%}  ({score['low']:.1%} to {score['high']:.1%})")


def _free_name(request: Request, kind: str) -> Path:
    """A path in this folder, named after the prompt and the seed, where nothing is yet."""
    slug = re.sub(r"[^\w]+", "-", request.prompt.lower()).strip("-_")[:SLUG_CHARACTERS].strip("-_")
    name = f"{slug or 'clip'}-{request.seed}"
    suffix = "" if kind == "png" else f".{kind}"
    path, count = Path(name + suffix), 1
    while path.exists():
        count += 1
        path = Path(f"{name}-{count}{suffix}")
    return path


@contextmanager
def _progress(*, shown: bool) -> Iterator[Watch]:
    """A bar on standard error with the name of the stage and the time left; none if nobody is looking."""
    if not shown or not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<7}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=None)
        stage = ""

        def watch(progress: Step) -> None:
            nonlocal stage
            if progress.stage != stage:
                stage = progress.stage
                bar.reset(task, description=stage, total=progress.total, completed=progress.done)
            else:
                bar.update(task, completed=progress.done)

        yield watch


@contextmanager
def _plain_endings() -> Iterator[None]:
    """Let every way in which a command can fail end in one sentence and an exit status."""
    try:
        yield
    except HinodeError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        _end("stopped", INTERRUPTED)
    except MemoryError:
        _end("this machine has not enough memory for it; ask for a smaller size or a shorter clip", 1)
    except Exception as error:
        if isinstance(error, typer.Exit):
            raise
        _end(f"something in Hinode broke ({type(error).__name__}); {_report(error)}", 1)


def _end(sentence: str, status: int) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    raise typer.Exit(status)


def _report(error: Exception) -> str:
    """Keep the traceback in a file, and say where; a person is never shown it unasked."""
    try:
        folder = Settings.from_environment(os.environ).logs
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        trace = "".join(traceback.format_exception(error))
        path.write_text(
            f"hinode {__version__}, Python {sys.version}\n{sys.argv}\n\n{trace}",
            encoding="utf-8",
            errors="backslashreplace",
        )
    except (OSError, HinodeError):
        return "and the details could not be written to its log folder"
    return f"the details are in {path}"


def _terminated(number: int, frame: object) -> NoReturn:
    sys.exit(TERMINATED)
