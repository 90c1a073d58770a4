"""The gate that every request passes before it becomes a job, and before anything is fetched or drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hinode.clip import Frames
from hinode.errors import BadInput, HinodeError
from hinode.jobs.job import Draft, Job
from hinode.jobs.rows import read_request
from hinode.jobs.screening import decisions
from hinode.jobs.screening.decisions import Outcome
from hinode.money.meters.days import DailyMeters, Kind
from hinode.records.database import Database
from hinode.records.tables import characters, jobs, parents
from hinode.request import CHARACTER, MediaFile, Request
from hinode.rights import consents
from hinode.rights.people import person_of
from hinode.trust.audit import log
from hinode.trust.audit.chain import Event
from hinode.trust.screening import requests, samples
from hinode.trust.screening.equipment import Equip, Equipment, equip
from hinode.trust.screening.guards import GuardError, Item, ask, shows_person
from hinode.trust.screening.policy import NEGATIVE, Policy, builtin
from hinode.trust.screening.samples import ClipBlocked
from hinode.trust.screening.screener import screen
from hinode.trust.screening.verdict import Action, ModerationBlocked, Stage, Text, Verdict

MAX_ANCESTORS = 200
"""Videos of a remix chain whose prompts are read."""

POLICY_EVENT = "policy.in_force"

MAX_PASSED = 1000


class PolicyError(HinodeError):
    """The policy of the operator cannot be used, so nothing passes."""

    code = "policy"


class Gate:
    """Screens requests by the policy and records what is against them. Safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        policy: Callable[[], Policy] = builtin,
        equip: Equip = equip,
        meters: DailyMeters | None = None,
    ) -> None:
        """
        Args:
            database: where decisions and the prompts of ancestors are.
            clock: gives seconds since 1970.
            policy: gives the present policy.
            equip: gives what is asked beside the rules.
            meters: count the requests that are screened.
        """
        self.database = database
        self.clock = clock
        self.policy = policy
        self.equip = equip
        self.meters = meters
        self._passed: dict[object, None] = {}  # texts and files that the guards let pass
        self._noted = ""  # version of the policy that the audit log has as the one in force

    def check(
        self,
        project_id: str,
        key_id: str | None,
        request: Request,
        *,
        sources: Collection[str] = (),
        context: Sequence[str] = (),
    ) -> Verdict:
        """Screen a request.

        Args:
            project_id: whose it is.
            key_id: API key or session that it came with.
            request: it needs no references yet.
            sources: ids of the videos that it continues; the prompts of all their ancestors are read with it.
            context: other texts that it belongs to, such as the shots of its storyboard.

        Raises:
            ModerationBlocked: it is not allowed, or has to be reviewed first. The decision is recorded, and
                nothing else was done.
            PolicyError: the policy cannot be used.
        """
        policy = self.present()
        if self.meters is not None:
            self.meters.add(project_id, Kind.SCREENED)
        texts = requests.texts_of(request)
        chain = self._ancestors(project_id, sources)
        ancestors = [*chain, *context]
        names = self._names(project_id, key_id, request)
        verdict = screen(policy, texts, ancestors=ancestors, allowed_names=names)
        if verdict.action is Action.ALLOW:
            verdict = self._ask_guards(policy, texts)
        if verdict.action is not Action.ALLOW:
            digest = digest_of([*chain, *_fields(texts)])
            self._refuse(policy, verdict, project_id, key_id, digest, [*ancestors, *_fields(texts)])
        return verdict

    def check_file(
        self,
        project_id: str,
        file: MediaFile,
        field: str,
        evidence: Callable[[Frames], MediaFile],
    ) -> None:
        """Show a picture or video from outside to the guards, and let the rules read what is said in it.

        Args:
            project_id: whose it is.
            file: with its path on this machine.
            field: of the request that it stands in.
            evidence: stores frames uint8 [T, H, W, 3] on one picture, for reviewers.

        Raises:
            ModerationBlocked: it may not be used; see `check`.
            PolicyError: the policy or a guard cannot be used.
            BadInput: it cannot be read.
        """
        policy = self.present()
        equipment = self._equipment(policy)
        key = policy, equipment, file.digest
        if key in self._passed or not (equipment.at(Stage.REFERENCE) or equipment.speech):
            return
        sample = samples.read(file.reference(field), equipment)
        verdict, words = samples.look(policy, equipment, sample, Stage.REFERENCE, field)
        if verdict.action is Action.ALLOW:
            self._pass(key)
            return
        digest = digest_of([Stage.REFERENCE, file.digest])
        lines = [f"{field}: {file.media_type}", *filter(None, [words])]
        self._refuse(policy, verdict, project_id, None, digest, lines, sample.frames, evidence)

    def shows_person(self, file: MediaFile, field: str) -> bool | None:
        """Whether a guard sees a person in a picture or video from outside, or None where none can tell.

        Args:
            file: with its path on this machine.
            field: of the request that it stands in.

        Raises:
            PolicyError: the policy or a guard cannot be used.
            BadInput: the file cannot be read.
        """
        policy = self.present()
        equipment = self._equipment(policy)
        people = equipment.people
        if not people:
            return None
        key = "people", equipment, file.digest
        if key in self._passed:
            return False
        try:
            frames = samples.frames_of(file.reference(field))
            if shows_person(people, frames, policy.guard_failure.seconds):
                return True
        except GuardError as error:
            raise PolicyError(error.message, error.remedy) from error
        self._pass(key)
        return False

    def record(self, connection: Connection, drafts: Sequence[Draft], verdicts: Sequence[Verdict],
               job_ids: Sequence[str]) -> None:  # fmt: skip
        """Enter in the caller's transaction what let drafts become jobs."""
        now = self.clock()
        for draft, verdict, job_id in zip(drafts, verdicts, job_ids, strict=True):
            decisions.insert(
                connection,
                verdict if verdict.action is Action.ALLOW else Verdict((), verdict.policy),
                now,
                project_id=draft.project_id,
                key_id=draft.key_id,
                digest=digest_of(_fields(requests.texts_of(draft.request))),
                text=None,
                job_ids=[job_id],
            )

    def record_clip(
        self,
        connection: Connection,
        job: Job,
        blocked: ClipBlocked,
        pictures: MediaFile | None,
        now: float,
        end: Callable[[str], object],
    ) -> None:
        """Enter in the caller's transaction that a guard has blocked the clip of a job. A second clip of the
        same request makes one more decision.

        `end` ends the job with a message, which names the decision; the audit log is locked after that.
        """
        digest = _clip_digest(job)
        lines = [*_fields(requests.texts_of(read_request(job.request))), *filter(None, [blocked.transcript])]
        decision_id = decisions.insert(
            connection,
            blocked.verdict,
            now,
            project_id=job.project_id,
            key_id=job.key_id,
            digest=digest,
            text=None if blocked.is_grave else "\n".join(dict.fromkeys(lines)),
            job_ids=[job.id],
            pictures=pictures,
        )
        end(str(ModerationBlocked(blocked.verdict, blocked.title, appeal=decision_id, output=True)))
        self._log(connection, decision_id, blocked.verdict, job.project_id, job.key_id, digest)

    def is_clip_approved(self, connection: Connection, job: Job) -> bool:
        """Whether a reviewer has approved the clip of exactly this request of the project."""
        before = decisions.last(connection, job.project_id, _clip_digest(job))
        return before is not None and before.outcome == Outcome.APPROVED

    def _log(
        self,
        connection: Connection,
        decision_id: str,
        verdict: Verdict,
        project_id: str,
        key_id: str | None,
        digest: str,
    ) -> None:
        """Enter a decision against a request in the audit log."""
        facts = {
            "project": project_id,
            "action": verdict.action.name.lower(),
            "categories": list(verdict.categories),
            "rules": [finding.rule for finding in verdict.findings],
            "policy": verdict.policy,
            "texts": digest,
        }
        event = Event("screening.stopped", key_id or "system", decision_id, facts)
        log.record(connection, event, self.clock())

    def _refuse(
        self,
        policy: Policy,
        verdict: Verdict,
        project_id: str,
        key_id: str | None,
        digest: str,
        lines: Sequence[str],
        frames: Frames | None = None,
        evidence: Callable[[Frames], MediaFile] | None = None,
    ) -> None:
        """Record a decision and raise it, unless a reviewer has approved the same texts or file; `lines` and
        `frames` are what a reviewer reads and sees."""
        grave = requests.is_gravest(policy, verdict)
        pictures = None if grave or frames is None or evidence is None else evidence(frames)
        with self.database.write() as connection:
            before = decisions.last(connection, project_id, digest)
            if before is not None and before.outcome == Outcome.APPROVED and not grave:
                return
            # A client that repeats its request makes no work for reviewers.
            if before is not None and before.policy == verdict.policy:
                decision_id = before.id
            else:
                decision_id = decisions.insert(
                    connection,
                    verdict,
                    self.clock(),
                    project_id=project_id,
                    key_id=key_id,
                    digest=digest,
                    text=None if grave else "\n".join(dict.fromkeys(lines)),
                    pictures=pictures,
                )
                self._log(connection, decision_id, verdict, project_id, key_id, digest)
        raise ModerationBlocked(verdict, requests.titles(policy, verdict), appeal=decision_id)

    def _names(self, project_id: str, key_id: str | None, request: Request) -> dict[str, list[str]]:
        """The names that a request may use, by category: those of its characters, and in the category of real
        people those of characters whose consent includes whoever asks."""
        names = requests.character_names(request)
        if not names:
            return {}
        digests = [reference.digest for reference in request.references if reference.role == CHARACTER]
        query = sa.select(characters.c.id, characters.c.name).where(
            characters.c.digest.in_(digests),
            characters.c.name.in_(names),
            characters.c.person,
            characters.c.deleted_at.is_(None),
        )
        now = self.clock()
        with self.database.read() as connection:
            person = person_of(connection, project_id, key_id)
            people = [
                row.name
                for row in connection.execute(query).all()
                if any(
                    consents.permits(consent, person, "generate", now)
                    for consent in consents.of_character(connection, row.id)
                )
            ]
        return requests.attested(names) | ({"real_people": people} if people else {})

    def _ask_guards(self, policy: Policy, texts: Sequence[Text]) -> Verdict:
        """What the guards for texts say. They are asked once, although a request is screened when it arrives
        and when it becomes a job."""
        equipment = self._equipment(policy)
        key = policy, equipment, tuple(texts)
        if not equipment.guards or key in self._passed:
            return Verdict((), policy.version)
        items = [Item(text.stage, text.text, field=text.field) for text in texts if text.field != NEGATIVE]
        verdict = Verdict((), policy.version).joined(ask(equipment.guards, item, policy) for item in items)
        if verdict.action is Action.ALLOW:
            self._pass(key)
        return verdict

    def _pass(self, key: object) -> None:
        if len(self._passed) >= MAX_PASSED:
            self._passed.clear()
        self._passed[key] = None

    def present(self) -> Policy:
        """The present policy; raises PolicyError if it cannot be used."""
        try:
            policy = self.policy()
        except BadInput as error:  # which is no fault of the request
            raise PolicyError(error.message, error.remedy) from error
        self._note(policy)
        return policy

    def _equipment(self, policy: Policy) -> Equipment:
        try:
            return self.equip(policy)
        except GuardError as error:
            raise PolicyError(error.message, error.remedy) from error

    def _note(self, policy: Policy) -> None:
        """Enter in the audit log that another policy has come into force; its first request does it."""
        if policy.version == self._noted:
            return
        with self.database.write() as connection:
            if log.last_subject(connection, POLICY_EVENT) != policy.version:
                facts = {"rules": len(policy.rules), "categories": sorted(policy.categories)}
                event = Event(POLICY_EVENT, "system", policy.version, facts)
                log.record(connection, event, self.clock())
        self._noted = policy.version

    def _ancestors(self, project_id: str, sources: Collection[str]) -> list[str]:
        """Prompts of videos and of all that they were made from, the oldest first; deleted ones too, since
        deleting a step of a chain must not hide it."""
        if not sources:
            return []
        own = jobs.c.project_id == project_id
        walk = sa.select(jobs.c.id).where(jobs.c.id.in_(sources), own).cte(recursive=True)
        step = sa.select(parents.c.parent_id).join(walk, walk.c.id == parents.c.job_id)
        walk = walk.union(step)
        query = sa.select(jobs.c.id, jobs.c.request).where(jobs.c.id.in_(sa.select(walk.c.id)), own)
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(jobs.c.id.desc()).limit(MAX_ANCESTORS)).all()
        return list(dict.fromkeys(row.request["prompt"] for row in reversed(rows)))


def _fields(texts: Sequence[Text]) -> list[str]:
    return [text.text for text in texts]


def _clip_digest(job: Job) -> str:
    """The digest of a whole request, with its seed: the same one makes the same clip."""
    return digest_of([Stage.FRAMES, json.dumps(job.request, sort_keys=True)])


def digest_of(fields: Sequence[str]) -> str:
    """SHA-256 of texts."""
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()
