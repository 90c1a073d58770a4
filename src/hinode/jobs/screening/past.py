"""The dry run of a policy: what it says about the past requests of a server, beside the policy in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from hinode.errors import HinodeError
from hinode.jobs.rows import read_request
from hinode.jobs.screening.decisions import STOPPED, Outcome
from hinode.records.database import Database
from hinode.records.tables import jobs
from hinode.records.tables import screening_decisions as decisions
from hinode.trust.screening import requests
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.screener import screen
from hinode.trust.screening.verdict import Action, Text, Verdict


@dataclass(frozen=True)
class Past:
    """The texts of a past request.

    Attributes:
        id: of its video, or of the decision against it.
        project_id: whose it is.
        prompt: what a person reads.
        texts: what is screened.
        ancestors: see `screen`.
        names: of the characters that it refers to.
    """

    id: str
    project_id: str
    prompt: str
    texts: Sequence[Text]
    ancestors: Sequence[str] = ()
    names: Sequence[str] = ()

    def screened(self, policy: Policy) -> Verdict:
        """What a policy says about it; guards are not asked."""
        names = requests.attested(list(self.names))
        return screen(policy, self.texts, ancestors=self.ancestors, allowed_names=names)


@dataclass(frozen=True)
class Trial:
    """A past request under two policies.

    Attributes:
        past: the request.
        before: what the policy in force does with it.
        verdict: what the other one says.
    """

    past: Past
    before: Action
    verdict: Verdict

    @property
    def changes(self) -> bool:
        """Whether the policies differ about it."""
        return self.before is not self.verdict.action


def dry_run(past: Sequence[Past], policy: Policy, before: Policy | None) -> list[Trial]:
    """Screen past requests with a policy and with the one in force; None if that cannot be read, since then
    nothing passes."""
    trials = []
    for entry in past:
        verdict = entry.screened(policy)
        if before is None:
            action = Action.BLOCK
        else:
            same = policy.version == before.version
            action = verdict.action if same else entry.screened(before).action
        trials.append(Trial(entry, action, verdict))
    return trials


def of_texts(texts: Sequence[str]) -> list[Past]:
    """Prompts that were never sent."""
    return [Past("", "", text, [Text(text)]) for text in texts]


def last(database: Database, count: int) -> list[Past]:
    """The last requests of all projects, the newest first: those that became jobs, and those that were
    stopped and whose texts are stored."""
    of_jobs = sa.select(jobs.c.id, jobs.c.project_id, jobs.c.request, jobs.c.created_at)
    stopped = sa.select(decisions.c.id, decisions.c.project_id, decisions.c.text, decisions.c.created_at)
    # A decision against a clip, or one that a reviewer has lifted, is about a request that is among the jobs.
    stopped = stopped.where(
        STOPPED,
        decisions.c.text.is_not(None),
        decisions.c.job_id.is_(None),
        decisions.c.outcome.is_distinct_from(Outcome.APPROVED.value),
    )
    with database.read() as connection:
        sent = connection.execute(of_jobs.order_by(jobs.c.id.desc()).limit(count)).mappings().all()
        refused = connection.execute(stopped.order_by(decisions.c.id.desc()).limit(count)).mappings().all()
    found = [(row["created_at"], _of_job(row)) for row in sent]
    found += [(row["created_at"], _of_decision(row)) for row in refused]
    found.sort(key=lambda entry: entry[0], reverse=True)
    return [entry for _, entry in found[:count]]


def _of_job(row: Mapping[str, Any] | sa.RowMapping) -> Past:
    prompt = row["request"]["prompt"]
    try:
        request = read_request(row["request"])
    except HinodeError:  # of a later version; its prompt can be read
        return Past(row["id"], row["project_id"], prompt, [Text(prompt)])
    names = requests.character_names(request)
    return Past(row["id"], row["project_id"], prompt, requests.texts_of(request), names=names)


def _of_decision(row: Mapping[str, Any] | sa.RowMapping) -> Past:
    *ancestors, text = row["text"].split("\n")
    return Past(row["id"], row["project_id"], row["text"], [Text(text)], ancestors)
