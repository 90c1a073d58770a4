"""What a request will take, said before it is made, with what would be quicker."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hinode import directing, engines
from hinode.errors import HinodeError
from hinode.money.fresh import Fresh
from hinode.money.quoting import runs
from hinode.money.quoting.hardware import hardware, has_gpu
from hinode.money.quoting.offers import VALID_SECONDS
from hinode.money.quoting.predict import Prediction, Predictor, Run, Span, Work, fit
from hinode.money.quoting.runs import Kind, Measured
from hinode.money.quoting.stages import in_order, remaining_seconds
from hinode.records.database import Database
from hinode.registry.profiles import STANDARD
from hinode.request import Capabilities, Request
from hinode.settings import Settings

MODEL_SECONDS = 60.0
"""For so long the work of a request and the list of models are remembered."""
NO_ALTERNATIVES = ("testcard",)
"""Engines whose clips are nothing that a person wants instead."""
MIN_SIDE = 64
QUICKER = 0.95
"""A smaller size is worth a line if it takes this share of the time, or less."""


@dataclass(frozen=True)
class Alternative:
    """Another way to a similar clip; `label` says in a few words what is different."""

    label: str
    model: str
    profile: str | None
    size: str
    seconds: float
    eta: Span


@dataclass(frozen=True)
class Quote:
    """What a request will take.

    Attributes:
        n: takes of it.
        eta: seconds from the start of the first take to the last file.
        queue_wait: seconds before that start.
        stages: seconds of each stage of all takes, in the order of the work; their sum is the p50 of `eta`.
        work: the same, of takes one after another: what machines spend on them.
        basis: "measured" if runs of the same kind were, else "estimated".
        alternatives: the quickest first.
        valid_until: seconds since 1970.
    """

    operation: str
    model: str
    profile: str | None
    size: str
    seconds: float
    n: int
    eta: Span
    queue_wait: Span
    stages: Sequence[tuple[str, float]]
    basis: str
    alternatives: Sequence[Alternative]
    valid_until: float
    work: Sequence[tuple[str, float]] = ()

    def as_json(self) -> dict[str, Any]:
        """The quote in plain JSON values, without `work`."""
        stages = [{"name": name, "seconds": seconds} for name, seconds in self.stages]
        values = dataclasses.asdict(self) | {"stages": stages, "valid_until": int(self.valid_until)}
        del values["work"]
        return {"object": "video.quote", **values}


class Quotes:
    """Predicts runs from those in a database. Safe to use from several threads."""

    def __init__(
        self, settings: Settings, database: Database | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Without a database every time is estimated; `clock` gives seconds since 1970."""
        self.settings = settings
        self.database = database
        self.clock = clock
        self._predictors: Fresh[tuple[str, str, str], Predictor] = Fresh(clock)
        self._fitted: dict[tuple[str, str, str], tuple[int, Predictor]] = {}  # with the last run that counts
        self._works: Fresh[Request, tuple[Capabilities, str, Work]] = Fresh(clock, MODEL_SECONDS)
        self._models: Fresh[None, list[Capabilities]] = Fresh(clock, MODEL_SECONDS)

    def predict(self, request: Request) -> Prediction:
        """What one run of a request will take; its references have their files.

        Raises:
            BadInput: it cannot be carried out.
            ModelError: its model is missing or damaged.
        """
        capabilities, profile, work = self._work(request)
        return self._predictor(request.engine, capabilities.model, profile).predict(work)

    def remaining(self, request: Request, stage: str | None, progress: int, ran_for: float) -> float:
        """Seconds that are left of a run of a request.

        Args:
            stage: the present one; None before the first.
            progress: of the job, 0 to 100.
            ran_for: seconds that it has had; 0 if that is not known. The further it is, the more its own pace
                counts beside that of earlier runs.

        Raises:
            HinodeError: as for `predict`.
        """
        prediction = self.predict(request)
        total = prediction.eta.p50
        left = remaining_seconds(prediction.stages, stage, progress)
        done = 1 - left / total if total else 1.0
        if ran_for <= 0 or done <= 0.05:
            return left
        own = ran_for / done * (1 - done)
        return (1 - done) * left + done * own

    def quote(
        self, request: Request, *, model: str = "", n: int = 1, slots: int = 1, queue_wait: Span | None = None
    ) -> Quote:
        """The quote of a request.

        Args:
            request: its references have their files.
            model: its model as the client wrote it.
            n: takes of it.
            slots: takes that run at once.
            queue_wait: seconds before the first starts; by default none.

        Raises:
            HinodeError: as for `predict`.
        """
        rounds = math.ceil(n / max(1, slots))
        prediction = self.predict(request)
        capabilities, profile, _ = self._work(request)
        request = dataclasses.replace(request, model=capabilities.model)
        alternatives = []
        for label, other in self._others(request, capabilities):
            with suppress(HinodeError):  # it cannot do this request
                eta, kind = self.predict(other).eta, self._work(other)[1]
                if other.size == request.size or eta.p50 <= QUICKER * prediction.eta.p50:
                    eta = _repeat(eta, rounds).rounded()
                    alternatives.append(_alternative(label, other, kind, eta))
        return Quote(
            operation=request.operation,
            model=model or _name(request),
            profile=profile or None,
            size="{}x{}".format(*request.size),
            seconds=request.seconds,
            n=n,
            eta=_repeat(prediction.eta, rounds).rounded(),
            queue_wait=(queue_wait or Span(0.0, 0.0)).rounded(),
            stages=[(name, round(rounds * value, 2)) for name, value in in_order(prediction.stages)],
            basis="measured" if prediction.measured else "estimated",
            alternatives=sorted(alternatives, key=lambda other: (other.eta.p50, other.label)),
            valid_until=self.clock() + VALID_SECONDS,
            work=[(name, n * value) for name, value in in_order(prediction.stages)],
        )

    def _work(self, request: Request) -> tuple[Capabilities, str, Work]:
        """The model that a request is for, the profile and the work."""
        shape = dataclasses.replace(request, prompt="-", negative_prompt="", seed=0, plan="")

        def count() -> tuple[Capabilities, str, Work]:
            capabilities = engines.capabilities(request.engine, self.settings, request.model)
            work = work_of(request, self.settings, capabilities)
            return capabilities, profile_of(request, capabilities), work

        return self._works.get(shape, count)

    def _predictor(self, engine: str, model: str, profile: str) -> Predictor:
        key = engine, model, profile

        def read() -> Predictor:
            prior = _prior(engine, model, self.settings)
            if self.database is None:
                return fit((), (), prior)
            with self.database.read() as connection:
                last = runs.last(connection, engine, model)
                before = self._fitted.get(key)
                if before is not None and before[0] == last:
                    return before[1]
                predictor = fit(*runs.recorded(connection, engine, model, profile), prior)
            self._fitted[key] = last, predictor
            return predictor

        return self._predictors.get(key, read)

    def _others(self, request: Request, capabilities: Capabilities) -> Iterator[tuple[str, Request]]:
        """Requests for similar clips, with what is different; some cannot be carried out."""
        own = profile_of(request, capabilities)
        if request.steps is None:
            for profile in capabilities.profiles:
                if profile != own:
                    yield f"profile {profile}", dataclasses.replace(request, profile=profile)
        width, height = (side // 4 * 2 for side in request.size)
        if request.operation == "generate" and min(width, height) >= MIN_SIDE:
            yield f"{width}x{height}", dataclasses.replace(request, width=width, height=height)
        for other in self._installed():
            mine = (other.engine, other.model) == (capabilities.engine, capabilities.model)
            if not mine and other.engine not in NO_ALTERNATIVES:
                change = dataclasses.replace(
                    request, engine=other.engine, model=other.model, profile=None, steps=None
                )
                yield f"model {_name(change)}", change

    def _installed(self) -> list[Capabilities]:
        """The capabilities of every model that can be used here."""

        def look_up() -> list[Capabilities]:
            models = []
            for engine in engines.names():
                with suppress(HinodeError):
                    for model in engines.models(engine, self.settings):
                        with suppress(HinodeError):
                            models.append(engines.capabilities(engine, self.settings, model))
            return models

        return self._models.get(None, look_up)


def work_of(request: Request, settings: Settings, capabilities: Capabilities | None = None) -> Work:
    """The work of a request whose references have their files; without torch. Raises as `directing.estimate`
    does.

    Args:
        capabilities: what its engine can do by itself.
    """
    capabilities = capabilities or engines.capabilities(request.engine, settings, request.model)
    cost = directing.estimate(request, settings, capabilities)
    frames = math.ceil(round(request.seconds * (request.fps or capabilities.native_fps[0]), 6))
    return Work(cost, frames * request.width * request.height)


def measured(request: Request, settings: Settings, stage_seconds: Mapping[str, float]) -> Measured:
    """A run of a request that this process has finished, for `runs.record`. Raises as `work_of` does."""
    capabilities = engines.capabilities(request.engine, settings, request.model)
    profile = profile_of(request, capabilities)
    kind = Kind(request.engine, capabilities.model, hardware(settings), profile)
    return kind, Run(work_of(request, settings, capabilities), stage_seconds)


def profile_of(request: Request, capabilities: Capabilities) -> str:
    """The profile that a request is carried out under; "" for a model without profiles."""
    return request.profile or (STANDARD if STANDARD in capabilities.profiles else "")


def _repeat(eta: Span, rounds: int) -> Span:
    """The seconds of several runs one after another, which are not all slow at once."""
    total = rounds * eta.p50
    return Span(total, total + math.sqrt(rounds) * (eta.p90 - eta.p50))


def _alternative(label: str, request: Request, profile: str, eta: Span) -> Alternative:
    size = "{}x{}".format(*request.size)
    return Alternative(label, _name(request), profile or None, size, request.seconds, eta)


def _name(request: Request) -> str:
    return f"{request.engine}/{request.model}" if request.model else request.engine


@lru_cache(maxsize=1)
def _priors() -> dict[str, dict[str, list[float]]]:
    text = (files("hinode.money.quoting") / "priors.json").read_text("utf-8")
    priors: dict[str, dict[str, list[float]]] = json.loads(text)["coefficients"]
    return priors


def _prior(engine: str, model: str, settings: Settings) -> dict[str, list[float]]:
    """The shipped coefficients: of the model, of its engine on such hardware, of its engine, or of any."""
    priors = _priors()
    names = f"{engine}/{model}", f"{engine} on a GPU" if has_gpu(settings) else engine, engine, "*"
    return next(priors[name] for name in names if name in priors)
