"""The configuration file: what it can say, and what is said of a mistake in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hinode import engines
from hinode.engines.remote.dialects import DIALECTS
from hinode.engines.remote.upstreams import read
from hinode.engines.remote.wire import NativeForm
from hinode.errors import BadInput, ModelError
from hinode.request import FIRST_FRAME, SOURCE, Request
from hinode.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
HEAD = '[[upstream]]\nname = "a"\ndialect = "sglang"\nurl = "http://10.0.0.5:30000/v1/"\n'
MODELS = 'models = {wan = "Wan-AI/Wan2.1"}\n'


def written(home: Path, text: str) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    (home / "upstreams.toml").write_text(text)
    return home


def test_the_shortest_file(tmp_path: Path) -> None:
    found = read(written(tmp_path, HEAD + MODELS))
    (server,) = found.servers
    assert (server.url, server.concurrency, server.key_env) == ("http://10.0.0.5:30000", 1, "")
    capabilities = found.capabilities(None)
    assert (capabilities.engine, capabilities.model, capabilities.models) == ("remote", "wan", ("wan",))
    assert (capabilities.operations, capabilities.references, capabilities.negative_prompt) == (
        ("generate",),
        (FIRST_FRAME,),
        True,
    )
    assert (capabilities.native_sizes, capabilities.native_fps, capabilities.seconds) == (
        (),
        (24.0,),
        (0.0, 20.0),
    )


def test_what_the_operator_says_of_a_model_holds(tmp_path: Path) -> None:
    model = """
[model.wan]
sizes = ["832x480", "480x832"]
seconds = [1, 5]
fps = [16]
steps = [1, 50]
frame_step = 4
first_frame = false
negative_prompt = false
operations = ["generate", "edit"]
licence = "Apache-2.0"
prompt_characters = 2000
"""
    found = read(written(tmp_path, HEAD + MODELS + model))
    capabilities = found.capabilities("wan")
    assert capabilities.native_sizes == ((832, 480), (480, 832))
    assert (capabilities.seconds, capabilities.native_fps, capabilities.steps) == (
        (1.0, 5.0),
        (16.0,),
        (1, 50),
    )
    assert (capabilities.references, capabilities.negative_prompt, capabilities.licence) == (
        (SOURCE,),
        False,
        "Apache-2.0",
    )
    assert capabilities.prompt_characters == 2000
    offer = found.offers["wan"]
    request = Request("a kite", 640, 360, seconds=5.0, engine="remote", model="wan")
    assert NativeForm.of(request, offer) == NativeForm((832, 480), 5.0, 16.0, 81)
    tall = NativeForm.of(Request("a kite", 360, 640, seconds=1.3, model="wan"), offer)
    assert (tall.size, tall.frames) == ((480, 832), 21)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_offers_something_sensible(tmp_path: Path, dialect: str) -> None:
    capabilities = read(written(tmp_path, HEAD.replace("sglang", dialect) + MODELS)).capabilities("wan")
    assert capabilities.operations == ("generate",)
    assert capabilities.seconds[1] >= 12
    assert capabilities.native_fps


def test_several_servers_of_one_model_offer_what_any_can(tmp_path: Path) -> None:
    other = HEAD.replace('"a"', '"b"').replace("sglang", "openai")
    found = read(written(tmp_path, HEAD + MODELS + other + MODELS))
    assert not found.capabilities("wan").negative_prompt
    assert [server.name for server in found.servers_for(Request("a", model="wan"))] == ["a", "b"]
    assert [server.name for server in found.servers_for(Request("a", model="wan", steps=4))] == ["a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"there is no \[\[upstream\]\]"),
        ("upstream = 3", "upstream is no list of tables"),
        ("upstream = [3]", "is no table"),
        ("][", "cannot be read"),
        (HEAD, "does not say which models it has"),
        (HEAD + "models = {}\n", "does not say which models"),
        (HEAD + 'models = {"a b" = "x"}\n', "does not say which models"),
        (HEAD + MODELS + HEAD + MODELS, "two upstreams are called 'a'"),
        (HEAD.replace("sglang", "grpc") + MODELS, "speaks 'grpc'; choose the dialect hinode, openai"),
        (HEAD + MODELS + 'key = "sk-1234567890"\n', "has its key in the file"),
        (HEAD + MODELS + 'key_env = "sk-1234567890"\n', "has no usable key_env"),
        (HEAD + MODELS + "concurency = 2\n", "not known, 'concurency'"),
        (HEAD + MODELS + "concurrency = 0\n", "concurrency of upstream 'a' is out of range"),
        (HEAD + MODELS + "weight = true\n", "weight of upstream 'a' is out of range"),
        (HEAD + MODELS + "read_seconds = nan\n", "read_seconds of upstream 'a' is out of range"),
        (HEAD.replace("http:", "ftp:") + MODELS, "no address of a server"),
        (HEAD.replace("10.0.0.5", "me:sk-1234567890@10.0.0.5") + MODELS, "user name or password"),
        (HEAD.replace("/v1/", "/?key=sk-1234567890") + MODELS, "no address of a server"),
        (HEAD + MODELS + "[model.other]\n", "no upstream has the model 'other'"),
        (HEAD + MODELS + "[model.wan]\nseconds = [5, 1]\n", "no range of seconds"),
        (HEAD + MODELS + "[model.wan]\nsteps = [0, 1]\n", "no range of steps"),
        (HEAD + MODELS + '[model.wan]\nsizes = ["big"]\n', "is not width x height"),
        (HEAD + MODELS + "[model.wan]\nfps = [0]\n", "frame rate out of range"),
        (HEAD + MODELS + '[model.wan]\noperations = ["dance"]\n', "operations that are not known"),
        (HEAD + MODELS + '[model.wan]\nfirst_frame = "yes"\n', "neither true nor false"),
        ("patience = 3\n" + HEAD + MODELS, "not known, 'patience'"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        read(written(tmp_path, text))
    assert "sk-1234567890" not in str(caught.value)
    assert caught.value.remedy


def test_an_unknown_model_is_the_persons_mistake(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no model 'x'; choose wan") as caught:
        read(written(tmp_path, HEAD + MODELS)).capabilities("x")
    assert caught.value.field == "model"


def test_the_house_asks_without_torch(tmp_path: Path) -> None:
    written(tmp_path, HEAD + MODELS)
    code = (
        "import sys; from pathlib import Path\n"
        "from hinode import engines; from hinode.settings import Settings\n"
        f"print(engines.capabilities('remote', Settings(Path({str(tmp_path)!r}))).model)\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "wan"
    assert engines.get("remote", Settings(tmp_path)).name == "remote"


def test_the_file_is_read_again(tmp_path: Path) -> None:
    engine = engines.get("remote", Settings(written(tmp_path, HEAD + MODELS)))
    assert engine.capabilities().models == ("wan",)
    written(tmp_path, HEAD + MODELS.replace("wan", "ltx"))
    assert engine.capabilities().models == ("ltx",)
    work = engine.estimate(Request("a kite", 640, 360, seconds=1.0, model="ltx", steps=4))
    assert (work.tokens, work.steps, work.pixels) == (24, 4, 24 * 640 * 360)


def test_every_example_of_the_page_is_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "use-other-servers.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert examples
    for example in examples:
        assert read(written(tmp_path, example)).servers
    for name in DIALECTS:
        assert f"`{name}`" in page
