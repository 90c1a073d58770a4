"""The policy of screening, for the operator: read it, try a text, put it in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from hinode.api import wire
from hinode.api.context import AppContext, Context, Operator, Reviewer
from hinode.api.queries import Id
from hinode.api.requests.bodies import JSON, BodyReader
from hinode.errors import BadInput
from hinode.jobs.screening import past
from hinode.jobs.screening.past import Trial
from hinode.jobs.storyboards.document import Text
from hinode.parsing import INTEGER, Input
from hinode.trust.screening import requests
from hinode.trust.screening.equipment import describe, equip
from hinode.trust.screening.guards import GuardError
from hinode.trust.screening.lines import line_of
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.verdict import Action

router = APIRouter(prefix="/v1/policy", tags=["Rights"])

MAX_PAST, MAX_PROMPTS, MAX_PROMPT_LENGTH = 1000, 100, 10_000
MAX_SHOWN = 200
"""Past requests of which a dry run tells what changes; it counts all."""
MAX_BODY_BYTES = 2 << 20

ActionName = Literal["allow", "review", "block"]


class CheckPolicy(Input):
    """A policy to try; nothing of it is put in force or recorded."""

    text: Text = Field("", description="YAML as in policy.yaml; nothing is the policy that Hinode ships.")
    prompts: Annotated[
        list[Annotated[Text, Field(max_length=MAX_PROMPT_LENGTH)]], Field(max_length=MAX_PROMPTS)
    ] = Field([], description="To screen.")
    past: Annotated[int, Field(ge=0, le=MAX_PAST), INTEGER] = Field(
        0, description="Requests of this server to screen, the newest first."
    )


class ReplacePolicy(Input):
    """A policy to put in force."""

    text: Text = Field("", description="The whole file.")
    edited: str = Field("", max_length=64, description="Version that was in force when it was edited.")


class PolicyCategory(wire.Answer):
    """A category of a policy."""

    name: str
    title: str
    severity: int
    action: ActionName
    locked: bool = Field(description="Whether it can only be made stricter.")
    rules: int


class PolicyFault(wire.Answer):
    """What is wrong with a policy."""

    message: str
    field: str
    line: int | None = Field(description="In the text, from 1; null if it is in no single line.")


class PolicyChange(wire.Answer):
    """A version that was put in force."""

    number: int = Field(description="Counts up from 1.")
    version: str
    actor: str = Field(description="Id of who did it; policy.yaml for an edit of that file.")
    at: float


class PolicyObject(wire.Answer):
    """The policy of all servers of this database."""

    object: Literal["policy"] = "policy"
    version: str = Field(description="Empty if it cannot be read; then nothing passes.")
    number: int = Field(description="Of the last change; 0 without one.")
    text: str = Field(description="Of policy.yaml; empty for the policy that Hinode ships.")
    fault: PolicyFault | None
    categories: list[PolicyCategory]
    languages: list[str]
    equipment: str = Field(description="In words, what there is beside the rules on the server that answers.")
    changes: list[PolicyChange] = Field(description="The last twenty, the newest first.")


class PolicyText(wire.Answer):
    """The file of an earlier version."""

    object: Literal["policy.text"] = "policy.text"
    version: str
    text: str


class PolicyTrial(wire.Answer):
    """A prompt under the policy in force and under the one that is tried."""

    id: str | None = Field(description="Of the video, or of the decision that stopped the request.")
    project_id: str | None
    prompt: str | None = Field(description="null in the gravest category.")
    before: ActionName
    after: ActionName
    categories: list[str]
    rules: list[str]


class PolicyDryRun(wire.Answer):
    """What a policy does with past requests."""

    count: int
    allow: int
    review: int
    block: int
    changed: int
    changes: list[PolicyTrial] = Field(description=f"The first {MAX_SHOWN}.")


class PolicyCheck(wire.Answer):
    """What a text would be as a policy."""

    object: Literal["policy.check"] = "policy.check"
    fault: PolicyFault | None
    version: str
    categories: list[PolicyCategory]
    prompts: list[PolicyTrial]
    past: PolicyDryRun | None = Field(description="null if none were asked for, or the text is wrong.")


CheckBody = Annotated[CheckPolicy, Depends(BodyReader(CheckPolicy, (JSON,), max_text_bytes=MAX_BODY_BYTES))]
ReplaceBody = Annotated[
    ReplacePolicy, Depends(BodyReader(ReplacePolicy, (JSON,), max_text_bytes=MAX_BODY_BYTES))
]


@router.get("", response_model=PolicyObject)
def get_policy(context: AppContext, reviewer: Reviewer) -> Response:
    """The policy in force, and the last changes of it."""
    return _policy(context).response()


@router.put("", response_model=PolicyObject)
async def replace_policy(body: ReplaceBody, context: AppContext, operator: Operator) -> Response:
    """Put a policy in force from the next request on. The version before it is kept."""
    await context.run_slow(context.policies.replace, body.text, body.edited, operator.id)
    return (await context.run_slow(_policy, context)).response()


@router.post("/check", response_model=PolicyCheck)
async def check_policy(body: CheckBody, context: AppContext, operator: Operator) -> Response:
    """Try a policy on prompts and on past requests of all projects. Guards are not asked."""
    return (await context.run_slow(_check, context, body)).response()


@router.get("/{version}", response_model=PolicyText)
def get_policy_text(version: Id, context: AppContext, reviewer: Reviewer) -> Response:
    """The file as it was in an earlier version."""
    return PolicyText(version=version, text=context.policies.text_of(version)).response()


def _check(context: Context, body: CheckPolicy) -> PolicyCheck:
    try:
        policy = context.policies.check(body.text)
    except BadInput as error:
        fault = _fault(body.text, error)
        return PolicyCheck(fault=fault, version="", categories=[], prompts=[], past=None)
    before = context.policies.in_force()
    prompts = past.dry_run(past.of_texts(body.prompts), policy, before)
    database = context.decisions.database
    trials = past.dry_run(past.last(database, body.past), policy, before) if body.past else None
    return PolicyCheck(
        fault=None,
        version=policy.version,
        categories=_categories(policy),
        prompts=[_trial(policy, trial) for trial in prompts],
        past=None if trials is None else _summary(policy, trials),
    )


def _policy(context: Context) -> PolicyObject:
    policies, fault, text = context.policies, None, ""
    policy = policies.in_force()
    try:
        text = policies.text()
        if policy is None:
            policies.check(text)
    except BadInput as error:
        fault = _fault(text, error)
    changes = policies.changes()
    return PolicyObject(
        version=policy.version if policy else "",
        number=changes[0].number if changes else 0,
        text=text,
        fault=fault,
        categories=_categories(policy) if policy else [],
        languages=policy.languages if policy else [],
        equipment=_equipment(context, policy) if policy else "",
        changes=[PolicyChange.of(change, at=change.at) for change in changes],
    )


def _equipment(context: Context, policy: Policy) -> str:
    try:
        return describe(equip(policy, context.settings))
    except GuardError as error:
        return error.message


def _fault(text: str, error: BadInput) -> PolicyFault:
    return PolicyFault(message=str(error), field=error.field, line=line_of(text, error))


def _categories(policy: Policy) -> list[PolicyCategory]:
    rules = Counter(rule.category for rule in policy.rules)
    return [
        PolicyCategory.of(category, name=name, rules=rules[name])
        for name, category in policy.categories.items()
    ]


def _trial(policy: Policy, trial: Trial) -> PolicyTrial:
    verdict, entry = trial.verdict, trial.past
    return PolicyTrial(
        id=entry.id or None,
        project_id=entry.project_id or None,
        prompt=None if entry.id and requests.is_gravest(policy, verdict) else entry.prompt,
        before=_name(trial.before),
        after=_name(verdict.action),
        categories=list(verdict.categories),
        rules=[finding.rule for finding in verdict.findings],
    )


def _summary(policy: Policy, trials: Sequence[Trial]) -> PolicyDryRun:
    counts = Counter(_name(trial.verdict.action) for trial in trials)
    changed = [trial for trial in trials if trial.changes]
    return PolicyDryRun(
        count=len(trials),
        allow=counts["allow"],
        review=counts["review"],
        block=counts["block"],
        changed=len(changed),
        changes=[_trial(policy, trial) for trial in changed[:MAX_SHOWN]],
    )


def _name(action: Action) -> ActionName:
    names: dict[Action, ActionName] = {
        Action.ALLOW: "allow",
        Action.REVIEW: "review",
        Action.BLOCK: "block",
    }
    return names[action]
