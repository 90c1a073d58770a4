"""Guards: a real endpoint, the answers of three kinds of models, and gates that close on failure."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from hinode.outbound import Outbound
from hinode.trust.screening import policy as policies
from hinode.trust.screening.equipment import equip
from hinode.trust.screening.guards import Guard, Item, ask
from hinode.trust.screening.models import ModelGuard
from hinode.trust.screening.policy import Dialect, GuardEntry, Policy, PolicyFile
from hinode.trust.screening.verdict import Action, Stage, Verdict

POLICY = policies.builtin()
ITEM = Item(Stage.PROMPT, "a prompt")


class Model(ThreadingHTTPServer):
    """A server that answers every request with one text."""

    text: str | None = "safe"
    seconds = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []

    def guard(self, dialect: Dialect, looks_at: Literal["text", "pictures", "both"] = "text") -> ModelGuard:
        url = f"http://127.0.0.1:{self.server_port}/v1"
        entry = GuardEntry(name="model", url=url, model="guard", dialect=dialect, looks_at=looks_at)
        return ModelGuard(entry, Outbound(allow_private=True), key="secret")


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append({**body, "authorization": self.headers["Authorization"]})
        time.sleep(self.server.seconds)
        content = {"choices": [{"message": {"content": self.server.text}}]}
        data = json.dumps(content).encode()
        self.send_response(200 if self.server.text is not None else 500)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle(self) -> None:
        with suppress(BrokenPipeError):  # a guard that is late is not waited for
            super().handle()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def with_failure(action: str, seconds: float = 10.0) -> Policy:
    file = policies.read(f"guard_failure: {{action: {action}, seconds: {seconds}}}")
    assert isinstance(file, PolicyFile)
    return Policy(policies.extend(policies._builtin_file(), file))


@pytest.mark.parametrize(
    ("dialect", "text", "categories", "action"),
    [
        ("qwen3guard", "Safety: Safe\nCategories: None", (), Action.ALLOW),
        ("qwen3guard", "Safety: Unsafe\nCategories: Violent", ("gore",), Action.BLOCK),
        ("qwen3guard", "Safety: Controversial\nCategories: Violent", ("gore",), Action.REVIEW),
        ("llama-guard", "\n\nsafe", (), Action.ALLOW),
        ("llama-guard", "unsafe\nS4,S12", ("sexual_minors", "sexual"), Action.BLOCK),
        ("llama-guard", "unsafe\nS99", ("S99",), Action.BLOCK),
        ("policy", 'Here: {"violation": 1, "category": "hate"}', ("hate",), Action.BLOCK),
        ("policy", '{"violation": 0, "category": null}', (), Action.ALLOW),
    ],
)
def test_answers_of_models_are_read(
    model: Model, dialect: Dialect, text: str, categories: tuple[str, ...], action: Action
) -> None:
    model.text = text
    verdict = ask([model.guard(dialect)], ITEM, POLICY)
    assert (verdict.categories, verdict.action) == (categories, action)
    assert model.bodies[0]["authorization"] == "Bearer secret"
    assert model.bodies[0]["messages"][-1]["content"] == "a prompt"


@pytest.mark.parametrize("text", [None, "I cannot say", "", '{"violation": "perhaps"}'])
@pytest.mark.parametrize("dialect", ["qwen3guard", "llama-guard", "policy"])
def test_a_guard_that_fails_closes_the_gate(model: Model, dialect: Dialect, text: str | None) -> None:
    model.text = text
    verdict = ask([model.guard(dialect)], ITEM, POLICY)
    assert (verdict.categories, verdict.action) == (("guard_failure",), Action.BLOCK)


def test_the_policy_says_what_a_late_guard_means(model: Model) -> None:
    model.seconds = 0.5
    for action in ("block", "review", "allow"):
        verdict = ask([model.guard("llama-guard")], ITEM, with_failure(action, 0.1))
        assert verdict.action is Action[action.upper()]


def test_a_guard_is_asked_at_its_gates_only() -> None:
    class Never:
        name = "never"
        stages = frozenset({Stage.FRAMES})

        def check(self, item: Item, policy: Policy) -> Verdict:
            raise AssertionError

    guard: Guard = Never()
    assert ask([guard], ITEM, POLICY).action is Action.ALLOW
    assert ask([guard], Item(Stage.FRAMES), POLICY).action is Action.BLOCK


def test_a_model_that_looks_at_pictures_is_sent_each_frame(model: Model) -> None:
    model.text = "unsafe\nS12"
    frames = np.zeros((2, 36, 64, 3), np.uint8)
    verdict = ask([model.guard("llama-guard", "pictures")], Item(Stage.REFERENCE, frames=frames), POLICY)
    (finding,) = verdict.findings
    assert (finding.category, finding.stage) == ("sexual", Stage.REFERENCE)
    assert finding.seconds is not None
    urls = [body["messages"][0]["content"][1]["image_url"]["url"] for body in model.bodies]
    assert len(urls) == 2
    pixels = Image.open(io.BytesIO(base64.b64decode(urls[0].removeprefix("data:image/jpeg;base64,"))))
    assert pixels.size == (64, 36)
    assert not ask([model.guard("llama-guard", "pictures")], ITEM, POLICY).findings
    assert ask([model.guard("llama-guard", "both")], ITEM, POLICY).findings


def test_guards_of_a_policy_are_made(model: Model, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "policy.yaml").write_text(
        f"guards: [{{name: model, url: 'http://127.0.0.1:{model.server_port}/v1', model: guard,"
        f" dialect: llama-guard, key_file: {tmp_path / 'key'}}}]"
    )
    policy = policies.load(tmp_path / "policy.yaml")
    model.text = "unsafe\nS1"
    assert ask(equip(policy).guards, ITEM, policy).categories == ("gore",)
    assert model.bodies[0]["authorization"] == "Bearer secret"
