"""A hostile project, few descriptors and a full disk do not reach another project.

`python -m benchmarks soak` does the same for longer.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.serving import ROOT
from benchmarks.soak import NAMESPACE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_another_project_notices_nothing() -> None:
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("no namespace of its own in which to mount a disk")
    command = [sys.executable, "-m", "benchmarks", "soak", "--before=8", "--full=15", "--after=8", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == [], report
    assert report["refused"]["503"] > 0  # the disk was full
