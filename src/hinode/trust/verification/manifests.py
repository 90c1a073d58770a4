"""The manifests of a file as a tree of values, from the JSON of the C2PA reader (crJSON).

Everything in that JSON is from the file: it may be of any shape, so a part that is not as the standard says
is left out, and depth and number are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hinode.trust.verification import words
from hinode.trust.verification.values import Action, Finding, Ingredient, Manifest, Signer, State

MAX_DEPTH = 16
MAX_NODES = 200
MAX_ENTRIES = 100
MAX_TEXT = 300
JOINERS = "\u200c\u200d"
"""Which the writing of some languages needs."""
WORST_FIRST = (State.TAMPERED, State.DAMAGED, State.UNKNOWN_SIGNER, State.TRUSTED)
TRUSTED_TIME, UNTRUSTED_TIME = "timeStamp.trusted", "timeStamp.untrusted"
TRUSTED_SIGNER, UNTRUSTED_SIGNER = "signingCredential.trusted", "signingCredential.untrusted"


def build(store: Mapping[str, Any]) -> Manifest | None:
    """The active manifest of a store, with those of its ingredients; None if none can be read."""
    entries = [_mapping(entry) for entry in _list(store.get("manifests"))]
    if not entries:
        return None
    by_label = {_text(entry.get("label")): entry for entry in reversed(entries)}
    # The library writes the active manifest first.
    results = entries[0].get("validationResults")
    return _Builder(by_label).manifest(entries[0], 0, _failures(results), _has_trusted_time(results))


class _Builder:
    """Builds a tree once; a manifest that leads back to itself, or too many of them, end it."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._entries = entries
        self._count = 0

    def manifest(
        self, entry: Mapping[str, Any], depth: int, codes: Sequence[str], has_trusted_time: bool
    ) -> Manifest:
        """The manifest of an entry, whose check gave the failures `codes`."""
        self._count += 1
        assertions = _mapping(entry.get("assertions"))
        claim = _mapping(entry.get("claim.v2")) or _mapping(entry.get("claim"))
        signature = _mapping(entry.get("signature"))
        actions = tuple(_actions(assertions))
        disclosure = _mapping(_first(assertions, "c2pa.ai-disclosure"))
        addresses = tuple(dict.fromkeys(action.source_type for action in actions if action.source_type))
        return Manifest(
            label=_text(entry.get("label")),
            title=_text(claim.get("dc:title")),
            state=_state(codes),
            signer=_signer(signature),
            signed_at=_signed_at(signature) if has_trusted_time else "",
            generator=_generator(claim),
            actions=actions,
            source_types=addresses,
            sources=tuple(map(words.describe_source, addresses)),
            model=_text(disclosure.get("modelName")) or _text(disclosure.get("modelIdentifier")),
            oversight=_text(_mapping(disclosure.get("contentProfile")).get("humanOversightLevel")),
            soft_bindings=tuple(
                _text(_mapping(value).get("alg")) for value in _all(assertions, "c2pa.soft-binding")
            ),
            training=tuple(_training(assertions)),
            uncovered=tuple(_uncovered(assertions)),
            ingredients=tuple(self._ingredients(entry, assertions, depth)),
            findings=tuple(_findings(codes)),
        )

    def _ingredients(
        self, entry: Mapping[str, Any], assertions: Mapping[str, Any], depth: int
    ) -> Iterable[Ingredient]:
        deltas = {
            _label(_mapping(delta).get("ingredientAssertionURI")): _mapping(delta).get("validationDeltas")
            for delta in _list(entry.get("ingredientDeltas"))
        }
        for label, value in assertions.items():
            if _base(label) not in ("c2pa.ingredient.v3", "c2pa.ingredient.v2", "c2pa.ingredient"):
                continue
            if depth >= MAX_DEPTH or self._count >= MAX_NODES:
                return
            facts = _mapping(value)
            reference = _mapping(facts.get("activeManifest")) or _mapping(facts.get("c2pa_manifest"))
            own = self._entries.get(_label(reference.get("url")))
            recorded = _mapping(facts.get("validationResults")).get("activeManifest")
            delta = deltas.get(label)
            codes = [*_failures(recorded), *_failures(delta), *_old_failures(facts)]
            if TRUSTED_SIGNER in _codes(delta, "success"):  # here, but not where it was recorded
                codes = [code for code in codes if code != UNTRUSTED_SIGNER]
            if own is not None:
                codes += _failures(own.get("validationResults"))
            if reference and own is None:
                codes.append("ingredient.manifest.missing")
            codes += [code for code in _codes(recorded, "informational") if code in words.UNCHECKED]
            codes = list(dict.fromkeys(codes))
            yield Ingredient(
                title=_text(facts.get("dc:title")),
                media_type=_text(facts.get("dc:format")),
                relationship=words.RELATIONSHIPS.get(
                    _text(facts.get("relationship")), "a file it is based on"
                ),
                state=_state(codes, has_manifest=bool(reference)),
                findings=tuple(_findings(codes)),
                manifest=None
                if own is None
                else self.manifest(own, depth + 1, codes, _has_trusted_time(recorded, delta)),
            )


def _state(codes: Sequence[str], has_manifest: bool = True) -> State:
    """What failures say together: the worst counts."""
    if not has_manifest:
        return State.NONE
    return min(map(_kind, codes), key=WORST_FIRST.index, default=State.TRUSTED)


def _kind(code: str) -> State:
    if code in words.TAMPERED:
        return State.TAMPERED
    if code in words.UNKNOWN_SIGNER:
        return State.UNKNOWN_SIGNER
    is_no_fault = code in words.UNCHECKED or words.NOTES.get(code) == words.NO_TEXT
    return State.TRUSTED if is_no_fault else State.DAMAGED


def _findings(codes: Sequence[str]) -> Iterable[Finding]:
    """The failures in words, those that decide about the state first."""
    for code in sorted(codes, key=lambda code: WORST_FIRST.index(_kind(code))):
        texts = words.TAMPERED, words.UNKNOWN_SIGNER, words.UNCHECKED, words.NOTES
        text = next((table[code] for table in texts if code in table), None)
        if text != words.NO_TEXT:
            yield Finding(code[:MAX_TEXT], text or f"{words.UNTOLD}: {code[:80]}")


def _failures(results: Any) -> list[str]:
    return _codes(results, "failure")


def _has_trusted_time(*results: Any) -> bool:
    """Whether the last of some results that says something of the time stamp says that it is trusted."""
    is_trusted = False
    for result in results:
        if TRUSTED_TIME in _codes(result, "success"):
            is_trusted = True
        if UNTRUSTED_TIME in (*_codes(result, "failure"), *_codes(result, "informational")):
            is_trusted = False
    return is_trusted


def _codes(results: Any, kind: str) -> list[str]:
    entries = _list(_mapping(results).get(kind))[:MAX_ENTRIES]
    return [code for entry in entries if (code := _text(_mapping(entry).get("code")))]


def _old_failures(facts: Mapping[str, Any]) -> list[str]:
    """Of an ingredient of an older form, which lists the failures only."""
    entries = _list(facts.get("validationStatus"))[:MAX_ENTRIES]
    codes = [_text(_mapping(entry).get("code")) for entry in entries if not _mapping(entry).get("success")]
    return [code for code in codes if _kind(code) is not State.DAMAGED]


def _actions(assertions: Mapping[str, Any]) -> Iterable[Action]:
    for value in (*_all(assertions, "c2pa.actions.v2"), *_all(assertions, "c2pa.actions")):
        for entry in _list(_mapping(value).get("actions"))[:MAX_ENTRIES]:
            facts = _mapping(entry)
            code, source = _text(facts.get("action")), _text(facts.get("digitalSourceType"))
            yield Action(
                code=code,
                text=words.describe_action(code),
                source_type=source,
                source=words.describe_source(source) if source else "",
                software=_product(facts.get("softwareAgent")),
                at=_text(facts.get("when")),
            )


def _signer(signature: Mapping[str, Any]) -> Signer | None:
    facts = _mapping(signature.get("certificateInfo"))
    if not facts:
        return None
    subject, validity = _mapping(facts.get("subject")), _mapping(facts.get("validity"))
    issuer = _mapping(facts.get("issuer"))
    return Signer(
        name=_text(subject.get("CN")),
        organization=_text(subject.get("O")),
        issuer=_text(issuer.get("O")) or _text(issuer.get("CN")),
        algorithm=_text(signature.get("algorithm")),
        serial_number=_text(facts.get("serialNumber")),
        valid_from=_text(validity.get("notBefore")),
        valid_until=_text(validity.get("notAfter")),
    )


def _signed_at(signature: Mapping[str, Any]) -> str:
    return _text(_mapping(signature.get("timeStampInfo")).get("timestamp"))


def _generator(claim: Mapping[str, Any]) -> str:
    info = claim.get("claim_generator_info")
    return _product(_list(info)[0] if _list(info) else info) or _text(claim.get("claim_generator"))


def _product(value: Any) -> str:
    """The name and version of a program, which older manifests have as one text."""
    if isinstance(value, str):
        return _text(value)
    facts = _mapping(value)
    return " ".join(part for part in (_text(facts.get("name")), _text(facts.get("version"))) if part)


def _training(assertions: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for label in ("cawg.training-mining", "c2pa.training-mining"):
        for value in _all(assertions, label):
            for name, entry in list(_mapping(_mapping(value).get("entries")).items())[:MAX_ENTRIES]:
                yield _text(name), _text(_mapping(entry).get("use"))


def _uncovered(assertions: Mapping[str, Any]) -> Iterable[str]:
    for label, value in assertions.items():
        if label.startswith("c2pa.hash.bmff"):
            for entry in _list(_mapping(value).get("exclusions"))[:MAX_ENTRIES]:
                yield _text(_mapping(entry).get("xpath")).lstrip("/")


def _all(assertions: Mapping[str, Any], base: str) -> list[Any]:
    return [value for label, value in assertions.items() if _base(label) == base]


def _first(assertions: Mapping[str, Any], base: str) -> Any:
    return next(iter(_all(assertions, base)), None)


def _base(label: str) -> str:
    """The label of an assertion without its number: a second one of a kind is "c2pa.ingredient.v3__1"."""
    return label.partition("__")[0]


def _label(address: Any) -> str:
    """The last part of an address inside a store, such as that of a manifest or of an assertion."""
    return words.last_part(_text(address))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A text of the file, shortened, without what could turn the words around it or hide some."""
    if not isinstance(value, str):
        return ""
    return "".join(
        letter if letter.isprintable() or letter in JOINERS else "\N{REPLACEMENT CHARACTER}"
        for letter in value[:MAX_TEXT]
    )
