"""The screening of prompts: recall on adversarial prompts, and what it refuses of harmless ones."""

from __future__ import annotations


def main(words: list[str]) -> None:
    """See `report.main`."""
    from benchmarks.screening import report

    report.main(words)
