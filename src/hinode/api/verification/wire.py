"""The report about a file as JSON; the field names do not change."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hinode.api import wire
from hinode.trust.verification.detection import Detection
from hinode.trust.verification.report import Report
from hinode.trust.verification.values import Action, Finding, Ingredient, Manifest, Signer

LISTS = ("source_types", "sources", "soft_bindings", "uncovered")
"""Of a manifest."""
Verdict = Literal["trusted", "unknown_signer", "tampered", "damaged", "none", "unreadable"]


class VerifiedFinding(wire.Answer):
    """Something that the check found out."""

    code: str = Field(description="Of C2PA, such as assertion.bmffHash.mismatch, or one of Hinode.")
    text: str
    is_fault: bool = Field(description="Whether it counts against the file.")

    @classmethod
    def of_finding(cls, finding: Finding) -> VerifiedFinding:
        """The object of a finding."""
        return cls.of(finding)


class VerifiedSigner(wire.Answer):
    """Whom the certificate of a signature names."""

    name: str
    organization: str
    issuer: str
    algorithm: str
    serial_number: str
    valid_from: str
    valid_until: str

    @classmethod
    def of_signer(cls, signer: Signer) -> VerifiedSigner:
        """The object of a signer."""
        return cls.of(signer)


class VerifiedAction(wire.Answer):
    """Something that was done."""

    code: str = Field(description="Of C2PA, such as c2pa.created.")
    text: str
    source_type: str = Field(description="Address of IPTC for how the result came to be, or empty.")
    source: str = Field(description="The same in words.")
    software: str
    at: str = Field(description="When, as the signer says, or empty.")

    @classmethod
    def of_action(cls, action: Action) -> VerifiedAction:
        """The object of an action."""
        return cls.of(action)


class VerifiedIngredient(wire.Answer):
    """A file that another was made from."""

    title: str
    media_type: str
    relationship: str
    state: Verdict = Field(
        description="Its own. Its pictures were compared by who added it, since they are not here."
    )
    findings: list[VerifiedFinding]
    manifest: VerifiedManifest | None = Field(description="Its own record, or null.")

    @classmethod
    def of_ingredient(cls, ingredient: Ingredient) -> VerifiedIngredient:
        """The object of an ingredient."""
        return cls.of(
            ingredient,
            state=ingredient.state.value,
            findings=list(map(VerifiedFinding.of_finding, ingredient.findings)),
            manifest=VerifiedManifest.of_manifest(ingredient.manifest) if ingredient.manifest else None,
        )


class VerifiedManifest(wire.Answer):
    """A signed record, and what it says."""

    label: str
    title: str
    state: Verdict
    signer: VerifiedSigner | None
    signed_at: str = Field(description="As a time authority says, or empty.")
    generator: str = Field(description="The program that wrote it.")
    actions: list[VerifiedAction]
    source_types: list[str]
    sources: list[str] = Field(description="The source types in words.")
    model: str
    oversight: str = Field(description="How much a person took part, such as prompt_guided.")
    soft_bindings: list[str] = Field(description="Algorithms of watermarks that lead back to this record.")
    training: dict[str, str] = Field(description="Whether a use such as cawg.ai_training is allowed.")
    uncovered: list[str] = Field(description="Types of boxes that the signature leaves out.")
    ingredients: list[VerifiedIngredient]
    findings: list[VerifiedFinding]

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> VerifiedManifest:
        """The object of a manifest, with those below it."""
        return cls.of(
            manifest,
            state=manifest.state.value,
            signer=VerifiedSigner.of_signer(manifest.signer) if manifest.signer else None,
            signed_at=manifest.signed_at,
            actions=list(map(VerifiedAction.of_action, manifest.actions)),
            training=dict(manifest.training),
            **{name: list(getattr(manifest, name)) for name in LISTS},
            ingredients=list(map(VerifiedIngredient.of_ingredient, manifest.ingredients)),
            findings=list(map(VerifiedFinding.of_finding, manifest.findings)),
        )


class VerifiedWatermark(wire.Answer):
    """An invisible watermark in the pictures or the sound."""

    algorithm: str
    id: str
    is_registered: bool = Field(description="Whether this server gave that id.")
    carrier: Literal["pictures", "sound", "record"] = Field(
        description="Where it was found; record for one that was not looked for, since the pictures and the"
        " sound are those of a file that this server made with it."
    )
    made_at: int | None = Field(description="When the first clip with it was made, in seconds since 1970.")
    operation: str | None = Field(description="How that was made, such as generate; null if it is not known.")


class DetectionAnswer(wire.Answer):
    """Which watermarks of this server a file carries."""

    object: Literal["detection"] = "detection"
    verdict: Literal["made_here", "unknown_id", "none", "unreadable"] = Field(
        description="none proves nothing: a watermark can get lost."
    )
    text: str = Field(description="The verdict in a sentence or two.")
    watermarks: list[VerifiedWatermark] = Field(description="Those of this server, the surest first.")
    frames: int = Field(description="Pictures that were read.")
    candidates: int = Field(description="Ids of this server that they were compared with, the latest ones.")

    @classmethod
    def of_detection(cls, detection: Detection) -> DetectionAnswer:
        """The object of an answer."""
        marks = list(map(VerifiedWatermark.of, detection.watermarks))
        return cls.of(detection, verdict=detection.verdict.value, watermarks=marks)


class Verification(wire.Answer):
    """What is known of a file."""

    object: Literal["verification"] = "verification"
    verdict: Verdict
    text: str = Field(description="The verdict in a sentence or two.")
    is_original: bool | None = Field(
        description="Whether it is byte for byte a file that this server made; null if that is not known."
    )
    has_sidecar: bool = Field(description="Whether the record came in a file beside it.")
    bytes: int
    sha256: str = Field(description="Of the file; empty if it could not be read.")
    findings: list[VerifiedFinding] = Field(description="About the whole file, the faults first.")
    watermarks: list[VerifiedWatermark] | None = Field(description="null if nobody looked for one.")
    manifest: VerifiedManifest | None = Field(description="The signed record, or null.")

    @classmethod
    def of_report(cls, report: Report) -> Verification:
        """The object of a report."""
        marks = report.watermarks
        return cls.of(
            report,
            verdict=report.verdict.value,
            bytes=report.size,
            findings=list(map(VerifiedFinding.of_finding, report.findings)),
            watermarks=None if marks is None else list(map(VerifiedWatermark.of, marks)),
            manifest=VerifiedManifest.of_manifest(report.manifest) if report.manifest else None,
        )
