"""The parts of the check that run in a process of their own, because compiling may take longer than they
have: such a process can be killed."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.report import gigabytes, median_step

log = logging.getLogger("gpu-check")

NAMES = ("standard", "regional")


class Child:
    """A process that imports everything it needs and then waits, so that imports take no time of its part."""

    def __init__(self, name: str, arguments: list[str], out: Path) -> None:
        self.name = name
        self.out = out
        command = [sys.executable, "-m", "benchmarks.gpu_check.children", name, *arguments, "--out", str(out)]
        with (out / f"{name}.txt").open("w") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def run(self, seconds: float) -> tuple[str, dict[str, Any]]:
        """Start the part; returns how it ended, and what it noted."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds - 1}\n")
        self.process.stdin.flush()
        try:
            end = f"status {self.process.wait(seconds)}"
        except subprocess.TimeoutExpired:
            end = f"killed after {seconds:.0f} s"
        finally:
            self.kill()
        file = self.out / f"{self.name}.json"
        return end, json.loads(file.read_text()) if file.is_file() else {}

    def kill(self) -> None:
        """End the process and all that it started."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)


def report_child(check: Any, child: Child, seconds: float) -> None:
    """Run a child, and print its clips and passes."""
    end, values = child.run(seconds)
    text = (child.out / f"{child.name}.log").read_text(errors="replace")
    recompilations = text.count("Recompiling function")
    missing = [line for line in text.splitlines() if "is left out" in line or "is repeated" in line]
    check.report.note(child.name, {"end": end, "values": values, "recompilations": recompilations})
    check.report.row(f"{child.name}, in a process of its own ({end}); {recompilations} recompilations")
    for line in missing[:4]:
        check.report.row(f"  {line[-250:]}")
    for key, value in values.items():
        if isinstance(value, dict) and "steps" in value:
            degraded = ", degraded" if value["degraded"] else ""
            check.report.row(
                f"  {key}: {median_step(value['steps']):.3f} s a step (first {value['steps'][0]:.2f}), "
                f"decoding {value['decode']:.2f} s, peak {gigabytes(value['peak'])}, "
                f"{value['reused']} reused, '{value['execution']}'{degraded}"
            )
        elif key.startswith("pass"):
            check.report.row(f"  {key}: {value} s")
        elif key.endswith(".status") and value != "ok":
            check.report.row(f"  {key}: {value}")
    if not values or any(value != "ok" for key, value in values.items() if key.endswith(".status")):
        raise RuntimeError(f"{end}; see {child.out / child.name}.log")


def main(words: list[str]) -> None:
    """What a child process does."""
    import argparse

    from benchmarks.gpu_check import without_av

    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(words)
    without_av.install()
    import torch
    import torch._dynamo

    from benchmarks.gpu_check import acceleration
    from benchmarks.gpu_check.command import make_check
    from benchmarks.gpu_check.report import Report

    with suppress(Exception):
        import torch._inductor.compile_fx
    line = sys.stdin.readline()
    if not line.strip():
        return
    report = Report(options.out, options.name, float(line))
    check = make_check(report, options.folder, tiny=options.tiny)
    with suppress(Exception):
        torch._logging.set_logs(recompiles=True)
    if options.tiny:
        acceleration.simulate()
    for name, part in acceleration.PARTS[options.name].items():
        report.run(name, lambda part=part: part(check), seconds=9999, minimum=4)
    sys.stdout.flush()
    os._exit(0)  # threads of the compiler may wait for ever


if __name__ == "__main__":
    main(sys.argv[1:])
