"""Options that several commands share, each declared once; panels are the headings of `--help`."""

from __future__ import annotations

import dataclasses
import os
import secrets
import weakref
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.errors import BadInput, quote
from hinode.request import Capabilities, MediaFile, Request, Size, parse_size
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.routing.pools import Pool
    from hinode.trust.provenance.marking import Marking

RANDOM_SEEDS = 2**31
DEFAULT_SIZE = (640, 360)

clip_option, control_option, model_option, output_option = (
    partial(typer.Option, rich_help_panel=panel) for panel in ("Clip", "Controls", "Model", "Output")
)

Prompt = Annotated[str, typer.Argument(help="Text that says what to show.")]
Seconds = Annotated[float, clip_option(metavar="SECONDS", help="Length of the clip.")]

Keyframes = Annotated[
    list[str] | None,
    control_option(
        "--keyframe",
        metavar="FILE@SECONDS",
        help="Picture that the clip shows at this moment. Repeatable.",
    ),
]
Fit = Annotated[
    str | None,
    control_option(
        metavar="METHOD",
        help="How a picture of another size is brought to the size of the clip: crop, pad or stretch.",
        show_default="such a picture is an error",
    ),
]
ScenePlan = Annotated[
    Path | None,
    control_option(
        "--plan",
        metavar="FILE",
        help="JSON file with the plan of the clip, as `hinode plan --json` prints it, edited or not.",
    ),
]
SubjectPath = Annotated[
    str | None,
    control_option(
        "--path",
        metavar="POINTS",
        help='Positions of the subject as "seconds,x,y; ...", with x and y from 0 (top left) to 1, such as '
        '"0,0.2,0.5; 2,0.8,0.5"; or a JSON file with a list of them.',
    ),
]
Camera = Annotated[
    str | None,
    control_option(
        metavar="MOVES",
        help='Camera moves, such as "zoom in slowly" or "pan right 1.5, zoom out"; or positions as '
        '"seconds,pan,zoom; ...", such as "0,0,1; 2,0.5,1.2".',
    ),
]

Model = Annotated[
    str | None,
    model_option(
        metavar="NAME",
        help="Model of the engine; without --engine also a pool of pools.toml.",
        show_default="chosen by the engine",
    ),
]
Steps = Annotated[
    int | None, model_option(metavar="NUMBER", help="Sampling steps.", show_default="chosen by the model")
]

Format = Annotated[
    str | None,
    output_option(
        metavar="NAME",
        help="mp4, gif, webp, or png for a folder of frames.",
        show_default="by the name of the output, or mp4",
    ),
]
EmbedPrompt = Annotated[
    bool | None,
    output_option(
        "--embed-prompt/--no-embed-prompt",
        help="Whether the file says the prompt that it was made from.",
        show_default="HINODE_EMBED_PROMPT, or no",
    ),
]
AsJson = Annotated[bool, output_option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, output_option("--quiet", "-q", help="Print only the path.")]


@dataclass(frozen=True)
class ClipOptions:
    """The options of every command for one clip; see `command.ClipCommand`."""

    size: Annotated[
        str | None,
        clip_option(
            metavar="WxH", help="Width and height in pixels.", show_default="those of the source, or 640x360"
        ),
    ] = None
    fps: Annotated[
        float | None,
        clip_option(
            metavar="RATE", help="Frames per second.", show_default="the rate of the source, or of the model"
        ),
    ] = None
    seed: Annotated[
        int | None,
        clip_option(metavar="NUMBER", help="The same seed renders the same clip.", show_default="a new seed"),
    ] = None
    engine: Annotated[
        str,
        model_option(
            metavar="NAME", help="Engine that generates the clip: native, diffusers, remote or testcard."
        ),
    ] = "native"
    model: Model = None
    profile: Annotated[
        str | None,
        model_option(
            metavar="NAME",
            help="Trade of speed against quality, for models that offer it: draft, standard or best.",
            show_default="chosen by the model",
        ),
    ] = None
    steps: Steps = None
    output: Annotated[
        Path | None,
        output_option(
            "--output",
            "-o",
            metavar="PATH",
            help="File to write, or folder for png. A file named here is replaced if it exists.",
            show_default="a new file here, named after the prompt",
        ),
    ] = None
    format: Format = None
    embed_prompt: EmbedPrompt = None
    as_json: AsJson = False
    quiet: Quiet = False

    @cached_property
    def settings(self) -> Settings:
        """The settings of this process, read once."""
        return Settings.from_environment(os.environ)

    @cached_property
    def marking(self) -> Marking:
        """How the file is marked."""
        from hinode.trust.provenance.marking import Marking

        embed = self.settings.embed_prompt if self.embed_prompt is None else self.embed_prompt
        return Marking(dataclasses.replace(self.settings, embed_prompt=embed))

    @cached_property
    def pool(self) -> Pool | None:
        """The pool that the model names, or None; raises as `pools.read` does."""
        from hinode.routing import pools

        default = self.engine == Request.engine and self.model is not None
        return pools.find(str(self.model), self.settings.home) if default else None

    @cached_property
    def engine_capabilities(self) -> Capabilities:
        """What the engine can do alone with the model, or the first member of the pool; see
        `engines.capabilities`, which raises the same."""
        from hinode import engines

        if self.pool is not None:
            return self.pool.lead(self.settings)
        return engines.capabilities(self.engine, self.settings, self.model)

    @property
    def capabilities(self) -> Capabilities:
        """What can be requested of the model; raises what `engine_capabilities` raises."""
        from hinode.directing.capabilities import extend_capabilities

        return extend_capabilities(self.engine_capabilities)

    def load_video(self, path: Path, field: str = "video") -> MediaFile:
        """See `material.load_video`; copies exist as long as these options."""
        from hinode.directing import material

        return material.load_video(path, field=field, folder=self._scratch, fps=self.fps)

    @cached_property
    def _scratch(self) -> Path:
        folder = TemporaryDirectory(prefix="hinode-")
        weakref.finalize(self, folder.cleanup)
        return Path(folder.name)

    def default_size(self, source: Size) -> Size:
        """The size of a clip from a picture or a video, if none is set; see `material.default_size`."""
        from hinode.directing import material
        from hinode.media.writing import formats

        return material.default_size(source, even=formats.choose(self.format, self.output) == "mp4")

    def request(self, prompt: str, default_size: Size = DEFAULT_SIZE) -> Request:
        """The request that these options describe, with a new seed if none is set."""
        width, height = default_size if self.size is None else parse_size(self.size)
        engine, model = self.engine, self.model
        if self.pool is not None:
            engine, model = self.engine_capabilities.engine, self.engine_capabilities.model
        return Request(
            prompt=prompt,
            width=width,
            height=height,
            fps=self.fps,
            seed=secrets.randbelow(RANDOM_SEEDS) if self.seed is None else self.seed,
            engine=engine,
            model=model,
            profile=self.profile,
            steps=self.steps,
        )


def read_day(field: str, text: str) -> float:
    """When a day that a person wrote begins in UTC, in seconds since 1970; raises BadInput."""
    from datetime import UTC, datetime

    from hinode.money.books.entries import read_date

    try:
        day = read_date(text)
    except ValueError:
        raise BadInput(f"{field} is {quote(text)}", "give a date as 2026-11-29", field=field) from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
