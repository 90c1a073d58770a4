from __future__ import annotations

import json
import re
import shlex
from importlib.resources import files
from pathlib import Path

import av

from hinode.engines.native import catalog

from .conftest import Run

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "plan-a-clip.md"


def test_the_example_of_the_page_prints_what_the_page_shows(run: Run) -> None:
    name = "planner.safetensors"
    (catalog.shipped() / name).symlink_to(str(files("hinode") / "weights" / name))
    command, output = re.findall(
        r"(?ms)^    hinode (plan [^\n]*)\n\n```\n(.*?)^```", PAGE.read_text("utf-8")
    )[0]
    printed = run(*shlex.split(command)).stdout
    number = r"\d+\.\d+"
    assert re.sub(number, "0", printed) == re.sub(number, "0", output)
    pairs = zip(re.findall(number, printed), re.findall(number, output), strict=True)
    assert all(abs(float(a) - float(b)) < 0.015 for a, b in pairs)  # processors round in other ways


def test_a_plan_as_json_has_the_fields_of_the_page(run: Run) -> None:
    result = json.loads(run("plan", "two gulls over the sea, no rain", "--seed", "1", "--json").stdout)
    page = PAGE.read_text("utf-8")
    assert all(f"`{name}`" in page for name in (*result["plan"], *result["plan"]["subjects"][0]))
    assert result["excluded"] == ["rain"]


def test_a_plan_that_is_too_long_is_refused(run: Run) -> None:
    result = run("plan", "a kite", "--seconds", "100")
    assert result.exit_code == 2
    assert result.stderr == "error: seconds is 100; give more than 0 and at most 60\n"


def test_a_preview_has_every_frame_and_the_sound_of_the_plan(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ball.mp4"
    assert (
        run(
            "plan", "a bouncing red ball", "--size", "96x54", "--seconds", "1", "--preview", str(file)
        ).exit_code
        == 0
    )
    with av.open(file) as container:
        assert len(list(container.decode(video=0))) == 24
        assert container.streams.audio[0].channels == 2
    result = run("plan", "a ball", "--preview", str(tmp_path / "ball.xyz"))
    assert (result.exit_code, "no format has the ending" in result.stderr) == (2, True)
