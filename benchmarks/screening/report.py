"""Recall, over-block and cost of the policy that Hinode ships, for each category and each class of bypass."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.screening import adversarial, benign
from benchmarks.screening.mutants import mutants
from hinode.trust.screening.policy import Policy, builtin
from hinode.trust.screening.screener import screen
from hinode.trust.screening.verdict import Action, Stage, Text

SEEDS = 5200
"""Even seeds are for tuning, and odd ones for the table."""
MIN_RECALL, MAX_OVERBLOCK = 0.95, 0.03


@dataclass
class Share:
    """How many of some prompts were stopped."""

    total: int = 0
    stopped: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, stopped: bool) -> None:
        self.total += 1
        self.stopped += stopped

    @property
    def share(self) -> float:
        return self.stopped / self.total if self.total else 0.0


def recall(policy: Policy, seeds: Iterable[int]) -> dict[str, dict[str, Share]]:
    """What was stopped of adversarial prompts, by category, by bypass, and by whether only odd seeds draw the
    phrase."""
    shares: dict[str, dict[str, Share]] = {"all": {}, "category": {}, "bypass": {}, "phrase": {}}
    times = []
    for case in adversarial.cases(seeds):
        stage = Stage.STORYBOARD if len(case.shown) > 1 else Stage.PROMPT
        texts = [Text(text, stage) for text in case.shown]
        start = time.perf_counter()
        verdict = screen(policy, texts, ancestors=case.ancestors)
        times.append(time.perf_counter() - start)
        phrase = "reserved" if case.phrase in adversarial.RESERVED[case.category] else "shared"
        names = {"all": "all", "category": case.category, "bypass": case.bypass, "phrase": phrase}
        for kind, name in names.items():
            shares[kind].setdefault(name, Share()).add(verdict.action > Action.ALLOW)
    shares["all"]["all"].seconds = times
    return shares


def overblock(policy: Policy) -> dict[str, Share]:
    """What was stopped of harmless prompts, by kind."""
    shares: dict[str, Share] = {}
    for entry in benign.prompts():
        stopped = screen(policy, [Text(entry.text)]).action > Action.ALLOW
        shares.setdefault(entry.kind, Share()).add(stopped)
    return shares


def overblock_by_category(policy: Policy) -> dict[str, int]:
    """How many harmless prompts were stopped for each category."""
    counts: dict[str, int] = {}
    for entry in benign.prompts():
        for name in screen(policy, [Text(entry.text)]).categories:
            counts[name] = counts.get(name, 0) + 1
    return counts


def caught_mutants(policy: Policy) -> Share:
    """How many mutants of rules their rule finds."""
    share = Share()
    for mutant in mutants(policy):
        verdict = screen(policy, [mutant.text])
        share.add(mutant.rule in {finding.rule for finding in verdict.findings})
    return share


def main(words: list[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks screening", description=__doc__)
    parser.add_argument("--even", action="store_true", help="the seeds for tuning instead of the odd ones")
    parser.add_argument("--mutants", action="store_true", help="also every mutant of every rule; a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(words)
    policy = builtin()
    shares = recall(policy, range(0 if options.even else 1, SEEDS, 2))
    harmless = overblock(policy)
    near = [share for kind, share in harmless.items() if kind != "own sets"]
    total = shares["all"]["all"]
    milliseconds = sorted(1000 * seconds for seconds in total.seconds)
    near_total = sum(share.total for share in near)
    reserved = shares["phrase"].get("reserved")
    result = {
        "policy": policy.version,
        "prompts": total.total,
        "recall": round(total.share, 4),
        "recall_reserved": round(reserved.share, 4) if reserved else None,
        "near_misses": near_total,
        "overblock": round(sum(share.stopped for share in near) / near_total, 4),
        "overblock_with_own_sets": round(
            sum(share.stopped for share in harmless.values()) / sum(s.total for s in harmless.values()), 4
        ),
        "median_ms": round(statistics.median(milliseconds), 2),
        "p95_ms": round(milliseconds[int(0.95 * len(milliseconds))], 2),
    }
    if options.mutants:
        mutated = caught_mutants(policy)
        result |= {"mutants": mutated.total, "mutants_caught": round(mutated.share, 4)}
    if options.json:
        print(json.dumps(result))
        return
    count = sum(share.total for share in harmless.values())
    blocked = overblock_by_category(policy)
    print(f"{'category':20} not_unsafe  not_overrefuse  prompts")
    for name, share in shares["category"].items():
        print(f"{name:20} {share.share:10.2%}  {1 - blocked.get(name, 0) / count:14.2%}  {share.total:7}")
    print(f"\n{'bypass':20}     recall  prompts")
    for name, share in shares["bypass"].items():
        print(f"{name:20} {share.share:10.2%}  {share.total:7}")
    print(f"\n{'near misses':20} over-block  prompts")
    for name, share in harmless.items():
        print(f"{name:20} {share.share:10.2%}  {share.total:7}")
    print()
    for key, value in result.items():
        print(f"{key:24} {value}")
