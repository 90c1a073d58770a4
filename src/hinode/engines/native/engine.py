"""The engine of Hinode's own model: rectified flow over spacetime patches, drawn on this machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hinode.clip import Clip, Frames, Provenance
from hinode.engines import saved_state
from hinode.engines.native import catalog, composition, upscaling
from hinode.engines.native.catalog import Card, Shape
from hinode.engines.native.composition import Composition
from hinode.engines.native.conditioning import Canvas
from hinode.engines.native.expansion import expand_prompt
from hinode.engines.native.smoothing import blend_fixed_edges, reduce_flicker, smooth_patch_seams
from hinode.engines.protocol import Capabilities, Cost, Progress, State, timed
from hinode.errors import BadInput, EngineError, ModelError, join_names
from hinode.model import checkpoint
from hinode.model.checkpoint import Checkpoint
from hinode.model.flow import Sampler, SamplerState, Sampling, null_text
from hinode.model.layers import compute_type
from hinode.model.tokens import SpacetimePatches
from hinode.registry.profiles import STANDARD
from hinode.request import GUIDE_VIDEO, Request
from hinode.settings import Settings
from hinode.world.caption import VOCABULARY, Parsed, SubjectFacts, parse, words

NAME = catalog.ENGINE

GUIDED = 0.7
"""How far a clip goes from its guide if nothing is said."""

CONDITIONED_GUIDANCE = 2.5
"""Guidance at most where pictures, footage, a path or a camera are given: with more, the clip leaves them for
what the words are usually drawn as."""

EDIT_GUIDANCE = 2.0
"""Guidance of edits: more of it changes no more of what was asked, and moves the subject."""


@dataclass(frozen=True)
class Plan:
    """How one request will be drawn: all that is decided before any weights are read."""

    request: Request
    card: Card
    shape: Shape
    frames: int  # to keep
    drawn_frames: int  # to draw: 1 + 4k, at least as many
    sampling: Sampling

    @classmethod
    def of(cls, request: Request, card: Card) -> Plan:
        shape = card.shape_for(request.size, request.fps)
        frames = max(1, math.ceil(round(request.seconds * shape.fps, 6)))
        span = card.patch[0]
        sampling = sampling_of(card)
        if request.steps is not None:
            sampling = dataclasses.replace(sampling, steps=request.steps)
        if card.learnt and sampling.steps not in card.learnt:
            raise BadInput(
                f"{card.name} cannot draw in {sampling.steps} steps",
                f"give {join_names(tuple(map(str, card.learnt)), 'or')}, or ask for the model that taught it",
                field="steps",
            )
        if sampling.guidance > 1:
            most = CONDITIONED_GUIDANCE if request.references or request.path or request.camera else math.inf
            guidance = EDIT_GUIDANCE if request.guide_prompt else min(sampling.guidance, most)
            sampling = dataclasses.replace(sampling, guidance=guidance)
        return cls(request, card, shape, frames, 1 + span * math.ceil((frames - 1) / span), sampling)

    @property
    def canvas(self) -> Canvas:
        """What is drawn on."""
        patches = SpacetimePatches(*self.card.patch)
        return Canvas(self.drawn_frames, self.frames, self.shape.fps, self.shape.size, patches)

    @cached_property
    def prompt(self) -> str:
        """The words that the clip is laid out by."""
        return read_prompt(self.request)

    @cached_property
    def composition(self) -> Composition:
        """What the network reads, and where."""
        return composition.compose(self.request, self.prompt, self.canvas, hints=self.card.hints)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Latent frames, rows and columns."""
        return self.canvas.latent_shape


class NativeEngine:
    """Draws clips of the paper-cut world. It knows no other."""

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # The model drawn with last stays in memory for the next run, and what its file was like when read.
        self._resident: Checkpoint | None = None
        self._resident_as: object = None

    def capabilities(self, model: str | None = None) -> Capabilities:
        """See `Engine.capabilities`."""
        return catalog.capabilities(model, self.settings.models)

    def estimate(self, request: Request) -> Cost:
        """See `Engine.estimate`."""
        plan = self.plan(request)
        times = plan.sampling.schedule().tolist()[:-1]
        low, high = plan.sampling.guided
        twice = plan.sampling.guidance != 1 and not plan.card.guidance_embedded
        guided = sum(low <= t <= high for t in times) if twice else 0
        return Cost(
            tokens=math.prod(plan.latent_shape),
            steps=plan.sampling.steps,
            passes=plan.sampling.steps * (2 if request.guide_prompt else len(plan.composition.texts))
            + guided,
            pixels=plan.drawn_frames * plan.shape.width * plan.shape.height,
        )

    def plan(self, request: Request) -> Plan:
        """Decide how a request is drawn.

        Raises:
            BadInput: it cannot be.
        """
        request.check(self.capabilities(request.model))
        return Plan.of(request, self._card(request))

    def _card(self, request: Request) -> Card:
        """Who draws a request: whom its profile names, and the model itself what a student has not learnt."""
        card = catalog.find(request.model, self.settings.models)
        profiles = catalog.profiles(card, self.settings.models)
        profile = request.profile or STANDARD
        chosen = profiles[profile]
        if not chosen.learnt:
            return chosen
        if request.reference(GUIDE_VIDEO):
            return card
        if profile == STANDARD:
            suitable = not request.negative_prompt and (
                request.steps is None or request.steps in chosen.learnt
            )
            return chosen if suitable else card
        if request.negative_prompt:
            others = tuple(name for name in profiles if name != profile)
            raise BadInput(
                f"the model {card.name} takes no negative prompt under the profile {profile}",
                f"leave it out or choose {join_names(others, 'or')}",
                field="negative_prompt",
            )
        return chosen

    def start(self, request: Request, state: State | None = None) -> NativeRun:
        """See `Engine.start`."""
        return NativeRun(self.plan(request), self.settings, state, self._load)

    def _load(self, card: Card, device: torch.device) -> Checkpoint:
        files = [(path, path.stat().st_size, path.stat().st_mtime_ns) for path in catalog.shards(card.path)]
        wanted = (files, device)
        if self._resident is None or self._resident_as != wanted:
            self._resident = None  # first, so that two models need not fit into memory
            self._resident = checkpoint.load(card.path, device, compute_type(device))
            self._resident_as = wanted
        return self._resident


class NativeRun:
    """One clip being drawn. Between two steps it is nothing but its latents and a step number."""

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        state: State | None,
        load: Callable[[Card, torch.device], Checkpoint],
    ) -> None:
        self.plan = plan
        self._load = load
        self.upscaler = upscaling.NAME if settings.upscale and upscaling.available() else ""
        self.parsed = parse(plan.request.prompt)
        self.stage_seconds: dict[str, float] = {}
        self.device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        self._resumed = None if state is None else self._restore(state)
        self._model: Checkpoint | None = None
        self._sampler: Sampler | None = None
        self._frames: Frames | None = None

    def __iter__(self) -> Iterator[Progress]:
        """See `Run.__iter__`."""
        if self._model is None:
            yield Progress("load", 0, 1)
            with timed(self.stage_seconds, "load"):
                self._model = self._load(self.plan.card, self.device)
                if self.upscaler:  # now, for if its weights are damaged the clip could not be finished
                    upscaling.load(upscaling.path())
        if self._sampler is None:
            yield Progress("text", 0, 1)
            with timed(self.stage_seconds, "text"):
                self._sampler = make_sampler([self.plan], self._model, self.device, self._resumed)
        steps = self.plan.sampling.steps
        yield Progress("sample", self._sampler.state.step, steps)
        while self._sampler.state.step < steps:
            before = self._sampler.state
            with timed(self.stage_seconds, "sample"):
                after = next(self._sampler)
                preview = self._preview(before, after)
            yield Progress("sample", after.step, steps, preview)
        if self._frames is None:
            yield Progress("decode", 0, 1)
            with timed(self.stage_seconds, "decode"):
                self._frames = to_frames(decode_frames(self._sampler, self.plan.request))[0][
                    : self.plan.frames
                ]
        yield Progress("decode", 1, 1)

    def state(self) -> State:
        """See `Run.state`. Before the first step it holds no latents: the seed gives them again."""
        now = self._sampler.state if self._sampler else self._resumed
        step = now.step if now else 0
        values = {
            "step": step,
            "latents": now.latents.cpu() if now and step else None,
            "stage_seconds": self.stage_seconds,
        }
        return saved_state.save(NAME, step, self._identity, values)

    def clip(self) -> Clip:
        """See `Run.clip`."""
        if self._frames is None:
            raise EngineError("the clip is not finished", "run all steps first")
        request, card = self.plan.request, self.plan.card
        return Clip(
            self._frames,
            self.plan.shape.fps,
            Provenance(
                engine=NAME,
                model=card.name,
                seed=request.seed,
                steps=self.plan.sampling.steps,
                native_size=self.plan.shape.size,
                stage_seconds=self.stage_seconds,
                understood=self.parsed.understood,
                not_understood=self.parsed.not_understood,
                read_as="".join(
                    (
                        read_as(parse(self.plan.prompt)),
                        self._apart(),
                        self._expanded(),
                        self._cut(),
                        self._avoided(),
                    )
                ),
                licence=card.licence,
                upscaler=self.upscaler,
            ),
        )

    def _expanded(self) -> str:
        """What the prompt was made into, if it left something open."""
        prompt = self.plan.prompt
        return "" if prompt == self.plan.request.prompt else f"; expanded to: {prompt}"

    def _apart(self) -> str:
        """A remark if subjects are drawn each by itself."""
        count = len(self.plan.composition.texts)
        return f"; each of the {count} subjects drawn in a place of its own" if count > 1 else ""

    def _cut(self) -> str:
        """A remark if the prompt has more known words than the model reads."""
        known, most = set(VOCABULARY), self.plan.card.words
        count = max(sum(word in known for word in words(text)) for text in self.plan.composition.texts)
        return f"; only the first {most} of {count} known words were read" if count > most else ""

    def _avoided(self) -> str:
        """A remark on the negative prompt, if there is one."""
        if not self.plan.request.negative_prompt:
            return ""
        known = set(VOCABULARY)
        avoided = [word for word in words(self.plan.request.negative_prompt) if word in known]
        said = " ".join(avoided[: self.plan.card.words])
        return f"; led away from: {said or 'nothing, no word of the negative prompt is known'}"

    def _preview(self, before: SamplerState, after: SamplerState) -> Frames:
        """A frame from the middle of the clip that the last step was heading for."""
        now, later = self.plan.sampling.schedule()[before.step : after.step + 1].tolist()
        middle = [0, after.latents.shape[1] // 2]
        z, ahead = before.latents[:, middle], after.latents[:, middle]
        assert self._model is not None
        clean = z.lerp(ahead, (1 - now) / (later - now))
        last: Frames = to_frames(self._model.model.config.tokenizer.decode(clean))[0, -1]
        return last

    @cached_property
    def _identity(self) -> dict[str, object]:
        """What a state has to agree with to be continued here."""
        return {
            "request": self.plan.request.identity(),
            "model": self.plan.card.name,
            "weights": self.plan.card.fingerprint(),
        }

    def _restore(self, state: State) -> SamplerState | None:
        values = saved_state.restore(state, NAME, self._identity)
        self.stage_seconds.update(values["stage_seconds"])
        if values["latents"] is None:
            return None
        return SamplerState(values["latents"].to(self.device), values["step"])


def sampling_of(card: Card) -> Sampling:
    """How clips are drawn from a model if nothing else is said."""
    try:
        return Sampling(**card.sampling)
    except TypeError as error:
        raise ModelError(
            f"{card.path} asks for a sampler that is not known", "use a model published for this version"
        ) from error


def make_sampler(
    plans: Sequence[Plan], model: Checkpoint, device: torch.device, state: SamplerState | None = None
) -> Sampler:
    """A sampler for clips that are drawn together: plans of one shape with one way of sampling, given guides
    all or none. `state`: go on from here."""
    canvas, requests = plans[0].canvas, [plan.request for plan in plans]
    parts = [plan.composition for plan in plans]
    most = max(len(one.texts) for one in parts)  # who has fewer texts reads the last again, without a share
    rows = [(one, min(number, len(one.texts) - 1)) for number in range(most) for one in parts]
    avoided = [request.negative_prompt for request in requests]
    texts = [*(one.texts[number] for one, number in rows), *(avoided if any(avoided) else ())]
    ids = model.vocabulary.batch([words(text) for text in texts], limit=plans[0].card.words)
    unwanted = None
    if any(avoided):
        said = ids[len(rows) :]
        silent = torch.tensor([not text for text in avoided])[:, None]
        unwanted = torch.where(silent, null_text(said), said).to(device)

    noise = torch.stack([composition.noise(plan.request, plan.prompt, canvas) for plan in plans])
    given = [canvas.given(request) for request in requests]
    nothing = torch.full_like(noise[:1], torch.nan)
    motion = [canvas.motion(request, one.paths) for request, one in zip(requests, parts, strict=True)]
    moves = [motion[index % len(plans)][number] for index, (_, number) in enumerate(rows)]
    sampler = Sampler(
        model.model,
        ids[: len(rows)].to(device),
        plans[0].shape.fps,
        noise.to(device),
        plans[0].sampling,
        unwanted=unwanted,
        given=torch.cat([nothing if one is None else one for one in given]).to(device),
        motion=torch.stack(moves).to(device),
        shares=_shares(parts, most, canvas).to(device) if most > 1 else None,
        state=state,
    )
    guides = [guide for guide in map(canvas.guide, requests) if guide is not None]
    if guides:
        apply_guide(sampler, torch.cat(guides), plans, model)
    return sampler


def _shares(parts: Sequence[Composition], most: int, canvas: Canvas) -> Tensor:
    """See `Sampler`; [most, B, Tl, h, w, C]."""
    width, height = canvas.size
    shares = torch.zeros(most, len(parts), canvas.frames, height, width)
    for index, one in enumerate(parts):
        shares[: len(one.texts), index] = 1.0 if one.shares is None else one.shares
    encoded = canvas.tokenizer.encode(shares.flatten(0, 1)[:, :, None].expand(-1, -1, 3, -1, -1))
    return encoded.view(most, len(parts), *encoded.shape[1:])


def decode_frames(sampler: Sampler, request: Request) -> Tensor:
    """What a sampler has drawn for a request, or for several that are drawn together, as video
    [B, T, 3, H, W] in -1..1."""
    tokenizer = sampler.model.config.tokenizer
    if request.strength == 0:  # nothing was drawn
        return tokenizer.decode(sampler.state.latents)
    kept = tokenizer.decode(sampler.kept.float()) > 0.5
    clip = smooth_patch_seams(tokenizer.decode(sampler.state.latents), tokenizer.frames, kept)
    given = kept.flatten(1).any(1).view(-1, 1, 1, 1, 1)
    return torch.where(given, blend_fixed_edges(clip, kept), reduce_flicker(clip))


def to_frames(video: Tensor) -> Frames:
    """Video [B, T, 3, H, W] in -1..1 -> uint8 [B, T, H, W, 3]."""
    levels = ((video + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    frames: Frames = np.ascontiguousarray(levels.permute(0, 1, 3, 4, 2).cpu().numpy())
    return frames


def apply_guide(sampler: Sampler, guide: Tensor, plans: Sequence[Plan], model: Checkpoint) -> None:
    """Let clips that are drawn together follow their guides: clean latents [B, Tl, h, w, C]."""
    request, guide = plans[0].request, guide.to(sampler.start.device)
    strength = GUIDED if request.strength is None else request.strength
    if request.guide_prompt:
        texts = [words(plan.request.guide_prompt) for plan in plans]
        ids = model.vocabulary.batch(texts, limit=plans[0].card.words)
        sampler.edit(guide, ids.to(guide.device), strength)
    elif sampler.state.step == 0:
        sampler.follow(guide, strength)


def read_prompt(request: Request) -> str:
    """The words that the network reads for a request."""
    if not request.expand:
        return request.prompt
    return expand_prompt(request.prompt, request.seed, motion=not request.path, camera=request.camera)


def read_as(parsed: Parsed) -> str:
    """What a prompt was taken to mean, and what it left to the model, in one line."""
    said: list[str] = []
    left: list[str] = []
    for subject in parsed.subjects or (SubjectFacts(),):
        said += [" ".join(filter(None, (subject.color, subject.kind, subject.motion)))]
        facts = {"subject": subject.kind, "color": subject.color, "motion": subject.motion}
        left += [name for name, fact in facts.items() if fact is None]
    if parsed.relation is not None:
        said += [f"the first {parsed.relation} the second"]
    scene = {name: getattr(parsed, name) for name in ("time", "place", "weather", "camera")}
    said += [f"{name} {fact}" for name, fact in scene.items() if fact is not None]
    left += [name for name, fact in scene.items() if fact is None]
    parts = [", ".join(filter(None, said)) or "nothing that it knows"]
    if left:
        parts.append(f"chosen by the model: {', '.join(dict.fromkeys(left))}")
    return "; ".join(parts)
