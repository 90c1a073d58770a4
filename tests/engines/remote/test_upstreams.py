"""The configuration file, and the errors about mistakes in it."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from hinode import engines
from hinode.engines.remote.dialects import DIALECTS
from hinode.engines.remote.upstreams import read
from hinode.engines.remote.wire import NativeForm
from hinode.errors import BadInput, ModelError
from hinode.request import FIRST_FRAME, SOURCE, Request
from hinode.routing import pools
from hinode.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
HEAD = '[[upstream]]\nname = "a"\ndialect = "sglang"\nurl = "http://10.0.0.5:30000/v1/"\n'
MODELS = 'models = {wan = "Wan-AI/Wan2.1"}\n'


def write(home: Path, text: str) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    (home / "upstreams.toml").write_text(text)
    return home


def test_the_shortest_file(tmp_path: Path) -> None:
    upstreams = read(write(tmp_path, HEAD + MODELS))
    (server,) = upstreams.servers
    assert (server.url, server.concurrency, server.key_env) == ("http://10.0.0.5:30000", 1, "")
    capabilities = upstreams.capabilities(None)
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


def test_the_table_of_a_model_decides(tmp_path: Path) -> None:
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
    upstreams = read(write(tmp_path, HEAD + MODELS + model))
    capabilities = upstreams.capabilities("wan")
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
    offer = upstreams.offers["wan"]
    request = Request("a kite", 640, 360, seconds=5.0, engine="remote", model="wan")
    assert NativeForm.of(request, offer) == NativeForm((832, 480), 5.0, 16.0, 81)
    tall = NativeForm.of(Request("a kite", 360, 640, seconds=1.3, model="wan"), offer)
    assert (tall.size, tall.frames) == ((480, 832), 21)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_offers_something_sensible(tmp_path: Path, dialect: str) -> None:
    capabilities = read(write(tmp_path, HEAD.replace("sglang", dialect) + MODELS)).capabilities("wan")
    assert capabilities.operations == ("generate",)
    assert capabilities.seconds[1] >= 12
    assert capabilities.native_fps


def test_servers_of_one_model_offer_what_all_of_them_can(tmp_path: Path) -> None:
    other = HEAD.replace('"a"', '"b"').replace("sglang", "openai")
    upstreams = read(write(tmp_path, HEAD + MODELS + other + MODELS))
    assert not upstreams.capabilities("wan").negative_prompt
    assert [server.name for server in upstreams.servers_for(Request("a", model="wan"))] == ["a", "b"]
    assert [server.name for server in upstreams.servers_for(Request("a", model="wan", steps=4))] == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "upstream of the file is missing or wrong; add it"),
        ("upstream = 3", "upstream of the file is missing or wrong; give a list"),
        ("upstream = [3]", "upstream.1 of the file is missing or wrong; give an object"),
        ("][", "cannot be read"),
        (HEAD, "models of upstream 'a' is missing or wrong; add it"),
        (HEAD + "models = {}\n", "models of upstream 'a' is missing or wrong; write models = {wan"),
        (HEAD + 'models = {"a b" = "x"}\n', "write models = {wan"),
        (HEAD + MODELS + HEAD + MODELS, "two upstreams are called 'a'"),
        (
            HEAD.replace("sglang", "grpc") + MODELS,
            "dialect of upstream 'a' .* choose the dialect hinode, openai",
        ),
        (HEAD + MODELS + 'key = "sk-1234567890"\n', "key of upstream 'a' .* put the key into an environment"),
        (HEAD + MODELS + 'key_env = "sk-1234567890"\n', "key_env of upstream 'a' .* give text that matches"),
        (
            HEAD + MODELS + "concurency = 2\n",
            "'a' has no field 'concurency'; the nearest known field is conc",
        ),
        (
            HEAD + MODELS + "concurrency = 0\n",
            "concurrency of upstream 'a' is missing or wrong; give 1 or more",
        ),
        (HEAD + MODELS + "weight = true\n", "weight of upstream 'a' is missing or wrong; give a number"),
        (HEAD + MODELS + "read_seconds = nan\n", "read_seconds of upstream 'a' is missing or wrong"),
        (HEAD.replace("http:", "ftp:") + MODELS, "url of upstream 'a' .* give the address of a server"),
        (HEAD.replace("10.0.0.5", "me:sk-1234567890@10.0.0.5") + MODELS, "leave out user name and password"),
        (HEAD.replace("/v1/", "/?key=sk-1234567890") + MODELS, "give the address of a server"),
        (HEAD + MODELS + "[model.other]\n", "no upstream has the model 'other'"),
        (HEAD + MODELS + "[model.wan]\nseconds = [5, 1]\n", r"seconds of \[model.wan\] .* give a range"),
        (HEAD + MODELS + "[model.wan]\nsteps = [0, 1]\n", r"steps.1 of \[model.wan\] .* give 1 or more"),
        (HEAD + MODELS + '[model.wan]\nsizes = ["big"]\n', r"sizes.1 of \[model.wan\] .* like 832x480"),
        (HEAD + MODELS + "[model.wan]\nfps = [0]\n", r"fps.1 of \[model.wan\] .* give 1 or more"),
        (
            HEAD.replace("sglang", "localai") + MODELS + "[model.wan]\nfps = [23.976]\n",
            r"fps of \[model.wan\] is not whole, as localai requires",
        ),
        (
            HEAD.replace("sglang", "fastvideo") + MODELS + "[model.wan.extra]\ntrue_cfg_scale = 4\n",
            "fastvideo drops true_cfg_scale in extra .* set first_frame = false",
        ),
        (HEAD + MODELS + '[model.wan]\noperations = ["dance"]\n', "choose generate, edit or extend"),
        (HEAD + MODELS + '[model.wan]\nfirst_frame = "maybe"\n', "give true or false"),
        (
            "patience = 3\n" + HEAD + MODELS,
            "the file has no field 'patience'; the nearest known field is patience_",
        ),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read(write(tmp_path, text))
    assert "sk-1234567890" not in "".join(traceback.format_exception(caught.value.__cause__))
    assert "sk-1234567890" not in str(caught.value)
    assert caught.value.remedy


def test_an_unknown_model_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no model 'x'; choose wan") as caught:
        read(write(tmp_path, HEAD + MODELS)).capabilities("x")
    assert caught.value.field == "model"


def test_capabilities_need_no_torch(tmp_path: Path) -> None:
    write(tmp_path, HEAD + MODELS)
    code = (
        "import sys; from pathlib import Path\n"
        "from hinode import engines; from hinode.settings import Settings\n"
        f"print(engines.capabilities('remote', Settings(Path({str(tmp_path)!r}))).model)\n"
        "assert 'torch' not in sys.modules"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "wan"
    assert engines.get("remote", Settings(tmp_path)).name == "remote"


def test_the_file_is_read_again(tmp_path: Path) -> None:
    engine = engines.get("remote", Settings(write(tmp_path, HEAD + MODELS)))
    assert engine.capabilities().models == ("wan",)
    write(tmp_path, HEAD + MODELS.replace("wan", "ltx"))
    assert engine.capabilities().models == ("ltx",)
    cost = engine.estimate(Request("a kite", 640, 360, seconds=1.0, model="ltx", steps=4))
    assert (cost.tokens, cost.steps, cost.pixels) == (24, 4, 24 * 640 * 360)


def test_every_example_of_the_page_is_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "use-other-servers.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    of_pools = [example for example in examples if "[pool." in example]
    assert len(of_pools) < len(examples)
    for example in examples:
        if example not in of_pools:
            assert read(write(tmp_path, example)).servers
    for example in of_pools:
        write(tmp_path, HEAD + MODELS)
        (tmp_path / pools.FILE).write_text(example)
        assert pools.read(tmp_path)
    for name in DIALECTS:
        assert f"`{name}`" in page
