"""What is seen and heard: banks of hashes, guards for pictures, and speech that becomes text."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hinode import cli
from hinode.clip import Clip, Frames, Provenance, Sound
from hinode.errors import BadInput
from hinode.media.writing import video
from hinode.request import Reference
from hinode.settings import Settings
from hinode.trust.screening import banks, pdq, samples
from hinode.trust.screening import policy as policies
from hinode.trust.screening.equipment import Equipment, equip
from hinode.trust.screening.guards import GuardError, Judgement, Pictures
from hinode.trust.screening.samples import ClipBlocked
from hinode.trust.screening.speech import Command, is_audible
from hinode.trust.screening.verdict import Action, Stage
from tests.trust.screening.test_pdq import waves

POLICY = policies.builtin()
CHECK = "import sys; assert sys.stdin.buffer.read()[:4] == b'RIFF'"
SAY = f"{sys.executable} -c \"{CHECK}; print('{{}}')\""


def clip(frames: Frames, sound: Sound | None = None) -> Clip:
    return Clip(frames, 8.0, Provenance("native", "toy", 1, 1, (64, 36)), sound)


def tone(seconds: float = 0.5, strength: float = 0.5) -> Sound:
    times = np.arange(int(8000 * seconds)) / 8000
    return Sound((strength * np.sin(2 * np.pi * 440 * times)).astype(np.float32)[None], 8000)


class Counting:
    """A guard for pictures that counts them."""

    name = "counting"

    def __init__(self, *judgements: Judgement) -> None:
        self.judgements = judgements
        self.count = 0

    def judge(self, frames: Frames) -> Sequence[Judgement]:
        self.count += len(frames)
        return self.judgements


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_a_guard_for_pictures_sees_a_frame_of_each_second() -> None:
    frames = np.zeros((48, 4, 4, 3), np.uint8)
    samples.check(POLICY, Equipment(), clip(frames))
    quiet, gore = Counting(), Counting(Judgement("gore", 0.9))
    samples.check(POLICY, Equipment((Pictures(quiet),)), clip(frames))
    assert quiet.count == 7  # six seconds
    with pytest.raises(ClipBlocked, match="checking outputs") as caught:
        samples.check(POLICY, Equipment((Pictures(gore),)), clip(frames))
    finding = caught.value.verdict.first
    assert (finding.category, finding.score, finding.stage) == ("gore", 0.9, Stage.FRAMES)
    assert caught.value.frames is not None
    gravest = Equipment((Pictures(Counting(Judgement("sexual_minors"))),))
    with pytest.raises(ClipBlocked) as caught:
        samples.check(POLICY, gravest, clip(frames))
    assert caught.value.frames is None


def test_a_bank_stops_copies_in_clips_and_references(settings: Settings, tmp_path: Path) -> None:
    picture = waves(1, 180, 320)
    row, quality = pdq.hash_frame(picture)
    text = f"# a list\n{pdq.to_hex(row)},{quality},2026\n{'a' * 64},49\n\n"
    bank, poor = banks.add(settings.home, "list", text, "intimate_imagery")
    assert (len(bank.hashes), poor, bank.distance) == (1, 1, 31)
    equipment = equip(POLICY, settings)
    other = np.stack([waves(seed, 180, 320) for seed in (2, 3)])
    samples.check(POLICY, equipment, clip(other))
    with pytest.raises(ClipBlocked) as caught:
        samples.check(POLICY, equipment, clip(np.concatenate([other, picture[None, :, ::-1]])))
    assert caught.value.verdict.first.rule == "bank list"
    Image.fromarray(np.rot90(picture)).save(tmp_path / "copy.png")
    reference = Reference("first_frame", "0" * 64, "image/png", path=str(tmp_path / "copy.png"))
    verdict, _ = samples.look(
        POLICY, equipment, samples.read(reference, equipment), Stage.REFERENCE, "input_reference"
    )
    assert (verdict.categories, verdict.first.field) == (("intimate_imagery",), "input_reference")
    video.write_lossless(tmp_path / "copy.mp4", np.stack([waves(9, 180, 320)] * 9 + [picture] * 9), 8)
    reference = Reference("source", "0" * 64, "video/mp4", path=str(tmp_path / "copy.mp4"))
    seen = samples.read(reference, equipment)
    assert seen.frames is not None
    assert samples.look(POLICY, equipment, seen, Stage.REFERENCE)[0].action is Action.BLOCK
    # A plain frame matches nothing, not even a bank with its hash.
    plain = np.full((3, 36, 64, 3), 90, np.uint8)
    banks.add(settings.home, "plain", pdq.to_hex(pdq.hash_frame(plain[0])[0]), "gore")
    samples.check(POLICY, equip(POLICY, settings), clip(plain))
    banks.remove(settings.home, "list")
    samples.check(POLICY, equip(POLICY, settings), clip(picture[None]))


def test_a_bank_that_is_damaged_lets_nothing_pass(settings: Settings) -> None:
    for name, text in (("list", "nonsense"), ("list", ""), ("no name", "a" * 64)):
        with pytest.raises(BadInput):
            banks.add(settings.home, name, text, "gore")
    banks.add(settings.home, "list", "a" * 64, "gore")
    (settings.home / "banks" / "list.txt").write_text("a" * 64)
    with pytest.raises(GuardError, match="category"):
        equip(POLICY, settings)


def test_banks_are_managed_by_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HINODE_HOME", str(tmp_path))

    def run(*words: object, status: int = 0) -> str:
        result = CliRunner().invoke(cli.app, ["banks", *map(str, words)])
        assert result.exit_code == status, result.output
        return result.output

    picture = tmp_path / "picture.png"
    Image.fromarray(waves(1, 90, 160)).save(picture)
    (value,) = json.loads(run("test", picture, "--json"))
    hashes = tmp_path / "hashes.txt"
    hashes.write_text(value["hash"])
    assert "no category" in run("add", "mine", hashes, "--category", "nothing", status=2)
    assert "1 hashes" in run("add", "mine", hashes, "--category", "gore", "--distance", "20")
    assert json.loads(run("list", "--json")) == [
        {"name": "mine", "category": "gore", "distance": 20, "hashes": 1}
    ]
    assert "mine: distance 0, a match" in run("test", picture)
    run("remove", "mine")
    run("remove", "mine", status=2)


class Recogniser(ThreadingHTTPServer):
    """A server that transcribes every sound as one text."""

    text: str | None = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = b""


class _Handler(BaseHTTPRequestHandler):
    server: Recogniser

    def do_POST(self) -> None:
        self.server.body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/audio/transcriptions"
        data = json.dumps({"text": self.server.text}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def recogniser() -> Iterator[Recogniser]:
    with Recogniser() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_is_said_is_screened_as_what_is_written(recogniser: Recogniser, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{recogniser.server_port}/v1"
    policy = policies.compiled(policies.read(f"speech: {{url: '{url}', model: tiny}}"))
    equipment = equip(policy)
    silent, loud = clip(np.zeros((8, 36, 64, 3), np.uint8)), clip(np.zeros((8, 36, 64, 3), np.uint8), tone())
    recogniser.text = "and now some graphic gore"
    samples.check(policy, equipment, silent)
    samples.check(policy, Equipment(), loud)  # nothing transcribes
    with pytest.raises(ClipBlocked, match="transcript") as caught:
        samples.check(policy, equipment, loud)
    assert caught.value.transcript == "and now some graphic gore"
    assert b"RIFF" in recogniser.body
    assert b"tiny" in recogniser.body
    recogniser.text = "good morning"
    samples.check(policy, equipment, loud)
    recogniser.text = None
    with pytest.raises(ClipBlocked) as caught:
        samples.check(policy, equipment, loud)
    assert caught.value.verdict.categories == ("guard_failure",)


def test_a_command_transcribes(settings: Settings) -> None:
    equipment = equip(POLICY, Settings(home=settings.home, speech_command=SAY.format("graphic gore")))
    loud = clip(np.zeros((8, 36, 64, 3), np.uint8), tone())
    with pytest.raises(ClipBlocked, match="transcript"):
        samples.check(POLICY, equipment, loud)
    samples.check(POLICY, Equipment(speech=Command(SAY.format("hello"))), loud)
    with pytest.raises(ClipBlocked) as caught:
        samples.check(POLICY, Equipment(speech=Command("false")), loud)
    assert caught.value.verdict.categories == ("guard_failure",)
    assert not is_audible(tone(strength=0.0))
