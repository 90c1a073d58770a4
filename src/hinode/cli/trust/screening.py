"""`hinode policy` and `hinode review`: what screening blocks, and decisions about what it blocked."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hinode.cli import options
from hinode.cli.command import Command
from hinode.cli.table import moment, print_table
from hinode.cli.tenants import open_database
from hinode.errors import BadInput, quote
from hinode.settings import Settings

if TYPE_CHECKING:
    from hinode.jobs.screening.decisions import Decisions
    from hinode.jobs.screening.past import Trial
    from hinode.trust.screening.policy import Policy

policy = typer.Typer(help="Check the policy of screening, and try it on prompts.", no_args_is_help=True)
review = typer.Typer(help="List what screening blocked, and approve or refuse it.", no_args_is_help=True)

MAX_PROMPTS = 10_000
TEXT_CHARACTERS = 60

PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="Policy to use.",
        show_default="policy.yaml in the home folder, else the built-in one",
    ),
]
Note = Annotated[str, typer.Option(metavar="TEXT", help="Reason, which is recorded.", show_default="none")]


@policy.command("check", cls=Command)
def check_policy(
    file: PolicyFile = None,
    past: Annotated[
        int,
        typer.Option(
            "--past",
            metavar="NUMBER",
            help="Also screen this many of the last prompts of the database, and print what would change.",
            min=0,
            max=MAX_PROMPTS,
        ),
    ] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Check a policy and print its version and categories; nothing is changed."""
    from hinode.trust.screening import policy as policies

    loaded = policies.load(_path(file))
    rules = Counter(rule.category for rule in loaded.rules)
    trials = _dry_run(loaded, past) if past else []
    if as_json:
        values = {
            "version": loaded.version,
            "languages": loaded.languages,
            "categories": {
                name: {"action": category.action, "severity": category.severity, "rules": rules[name]}
                for name, category in loaded.categories.items()
            },
            "past": [
                {
                    "prompt": trial.past.prompt,
                    "categories": list(trial.verdict.categories),
                    "before": trial.before.name.lower(),
                    "after": trial.verdict.action.name.lower(),
                }
                for trial in trials
                if trial.changes or trial.verdict.findings
            ],
        }
        print(json.dumps(values, ensure_ascii=False))
        return
    rows = [
        (name, category.title, category.action, str(category.severity), str(rules[name]))
        for name, category in loaded.categories.items()
    ]
    print_table(("CATEGORY", "TITLE", "ACTION", "SEVERITY", "RULES"), rows)
    print(f"version {loaded.version}, {len(loaded.rules)} rules, {len(loaded.languages)} languages")
    for trial in trials:
        if trial.changes or trial.verdict.findings:
            now, after = trial.before.name.lower(), trial.verdict.action.name.lower()
            names = ", ".join(trial.verdict.categories) or "nothing found"
            change = f"{now} -> {after}" if trial.changes else after
            print(f"{change}: {names}: {quote(trial.past.prompt, TEXT_CHARACTERS)}")
    if past:
        counts = Counter(trial.verdict.action.name.lower() for trial in trials)
        changes = sum(trial.changes for trial in trials)
        print(
            f"of the last {len(trials)} prompts {counts['allow']} would pass, {counts['review']} be reviewed "
            f"and {counts['block']} be blocked; {changes} would change"
        )


def _path(file: Path | None) -> Path:
    if file is not None and not file.exists():
        raise BadInput(f"there is no file {quote(str(file), 200)}", "name one that exists", field="policy")
    return file or Settings.from_environment(os.environ).policy


def _dry_run(loaded: Policy, count: int) -> list[Trial]:
    from hinode.jobs.screening import past
    from hinode.jobs.screening.policies import Policies

    with open_database() as database:
        in_force = Policies(database, Settings.from_environment(os.environ).policy, time.time).in_force()
        return past.dry_run(past.last(database, count), loaded, in_force)


@policy.command("try", cls=Command)
def try_policy(
    prompt: Annotated[list[str], typer.Argument(help="Prompts; several are read as one remix chain.")],
    file: PolicyFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Screen a prompt and print what is against it; nothing is recorded."""
    from hinode.trust.screening import policy as policies
    from hinode.trust.screening.screener import screen
    from hinode.trust.screening.verdict import Text

    loaded = policies.load(_path(file))
    verdict = screen(loaded, [Text(prompt[-1])], ancestors=prompt[:-1])
    if as_json:
        findings = [
            {
                "category": finding.category,
                "rule": finding.rule,
                "action": finding.action.name.lower(),
                "stage": finding.stage.value,
                "reading": finding.reading,
            }
            for finding in verdict.findings
        ]
        values = {"action": verdict.action.name.lower(), "policy": loaded.version, "findings": findings}
        print(json.dumps(values))
        return
    print(verdict.action.name.lower())
    for finding in verdict.findings:
        print(f"  {finding.category}: rule {finding.rule}, {finding.stage}, {finding.reading}")


@review.command("list", cls=Command)
def list_decisions(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were reviewed already.", show_default=False)
    ] = False,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=1000)] = 50,
    as_json: options.AsJson = False,
) -> None:
    """Print what screening blocked and nobody has reviewed yet."""
    with _open_decisions() as decisions:
        entries, _ = decisions.page(waiting=not everything, limit=limit)
    if as_json:
        from dataclasses import asdict

        print(json.dumps([asdict(entry) for entry in entries], ensure_ascii=False))
        return
    rows = [
        (
            entry.id,
            moment(entry.created_at),
            entry.action,
            entry.category or "-",
            entry.outcome or "waiting",
            quote(entry.text, TEXT_CHARACTERS) if entry.text else "not stored",
        )
        for entry in entries
    ]
    print_table(("ID", "TIME", "ACTION", "CATEGORY", "REVIEW", "TEXT"), rows)


@review.command("approve", cls=Command)
def approve_decision(
    id: Annotated[str, typer.Argument(help="Id of the decision, decision_…")], note: Note = ""
) -> None:
    """Let the same request of the same project pass from now on."""
    _review(id, "approved", note)
    print(f"{id} is approved; the same request passes when it is sent again")


@review.command("refuse", cls=Command)
def refuse_decision(
    id: Annotated[str, typer.Argument(help="Id of the decision, decision_…")], note: Note = ""
) -> None:
    """Confirm that a request stays blocked."""
    _review(id, "refused", note)
    print(f"{id} is refused")


def _review(id: str, outcome: str, note: str) -> None:
    from hinode.jobs.screening.decisions import Outcome

    with _open_decisions() as decisions:
        decisions.review(id, Outcome(outcome), f"command:{getpass.getuser()}", note)


@contextmanager
def _open_decisions() -> Iterator[Decisions]:
    from hinode.jobs.screening.decisions import Decisions

    with open_database() as database:
        yield Decisions(database, time.time)
