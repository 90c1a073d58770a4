from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from .conftest import Run

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "plan-a-clip.md"


def test_the_example_of_the_page_prints_what_the_page_shows(run: Run) -> None:
    command, output = re.findall(
        r"(?ms)^    hinode (plan [^\n]*)\n\n```\n(.*?)^```", PAGE.read_text("utf-8")
    )[0]
    assert run(*shlex.split(command)).stdout == output


def test_a_plan_as_json_has_the_fields_of_the_page(run: Run) -> None:
    result = json.loads(run("plan", "two gulls over the sea, no rain", "--seed", "1", "--json").stdout)
    page = PAGE.read_text("utf-8")
    assert all(f"`{name}`" in page for name in (*result["plan"], *result["plan"]["subjects"][0]))
    assert result["excluded"] == ["rain"]


def test_a_plan_that_is_too_long_is_refused(run: Run) -> None:
    result = run("plan", "a kite", "--seconds", "100")
    assert result.exit_code == 2
    assert result.stderr == "error: seconds is 100; give more than 0 and at most 60\n"
