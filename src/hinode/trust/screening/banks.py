"""Banks of hashes: lists of pictures that an operator does not want, such as those that StopNCII and others
share, each as a file of PDQ hashes in the home folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from hinode.errors import BadInput, quote
from hinode.output import replace_file
from hinode.trust.screening import pdq
from hinode.trust.screening.guards import GuardError, Item, action_of
from hinode.trust.screening.pdq import MAX_DISTANCE, MIN_QUALITY, Hashes
from hinode.trust.screening.policy import Policy
from hinode.trust.screening.verdict import Finding, Stage, Verdict

FOLDER, SUFFIX = "banks", ".txt"
MAX_BYTES = 256 << 20
_NAME = re.compile("[a-z0-9-]{1,40}")
_HEAD = re.compile(r"# hinode bank: category=([a-z0-9_]{1,64}) distance=([0-9]{1,3})")
_ROW = re.compile(r"([0-9a-fA-F]{64})(?:[,;\s]\s*(?:([0-9]{1,3})(?=[,;\s]|$))?.*)?")


@dataclass(frozen=True, eq=False)
class Bank:
    """Hashes of pictures of one category.

    Attributes:
        name: stands in decisions.
        category: of the policy, of whatever matches.
        distance: differing bits of a match at most.
        hashes: uint64 [N, 4].
    """

    name: str
    category: str
    distance: int
    hashes: Hashes


@dataclass(frozen=True, eq=False)
class BankGuard:
    """A `Guard` that compares pictures with banks, also turned by quarters and mirrored. A picture of a
    quality below `MIN_QUALITY`, such as a plain one, matches nothing."""

    banks: tuple[Bank, ...]
    name: str = "banks"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.REFERENCE, Stage.FRAMES})

    def check(self, item: Item, policy: Policy) -> Verdict:
        """See `Guard`."""
        if item.frames is None:
            raise GuardError("the banks were sent no pictures")
        hashes = hashes_of(item.frames)
        findings = []
        for bank in self.banks:
            distance = pdq.distance(hashes, bank.hashes)
            if distance <= bank.distance:
                score = 1 - distance / pdq.BITS
                action = action_of(policy, bank.category)
                rule = f"bank {bank.name}"
                findings.append(
                    Finding(bank.category, rule, action, item.stage, "picture", item.field, score)
                )
        return Verdict(tuple(findings), policy.version)


def hashes_of(frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Hashes:
    """The hashes of those of some frames uint8 [T, H, W, 3] that have content, in eight variants each:
    uint64 [8 * T, 4] at most."""
    rows = [hashes for hashes, quality in map(pdq.hash_variants, frames) if quality >= MIN_QUALITY]
    return np.concatenate(rows) if rows else np.zeros((0, 4), np.uint64)


def state(home: Path) -> tuple[tuple[Path, int, int], ...]:
    """The files of the banks with the time of their last change in nanoseconds and their sizes."""
    return tuple(
        (path, status.st_mtime_ns, status.st_size)
        for path in sorted((home / FOLDER).glob(f"*{SUFFIX}"))
        if (status := path.stat())
    )


def load(home: Path) -> tuple[Bank, ...]:
    """The banks of a home folder, by name; a file is read again after it changed.

    Raises:
        BadInput: one of them cannot be read; nothing is screened by a part of a bank.
    """
    return tuple(_load(*entry) for entry in state(home))


def add(home: Path, name: str, text: str, category: str, distance: int = MAX_DISTANCE) -> tuple[Bank, int]:
    """Write a bank, in place of one with the same name.

    Args:
        text: lines that begin with a hash of 64 hexadecimal digits, and perhaps its quality; empty lines
            and those that begin with # are left out.
        category: of the policy.
        distance: 0 to 128.

    Returns: the bank, and how many lines were left out, whose quality is below `MIN_QUALITY`.

    Raises:
        BadInput: the name, the category or a line is wrong.
        OutputError: it cannot be written.
    """
    path = _path(home, name)
    head = f"# hinode bank: category={category} distance={distance}"
    if _HEAD.fullmatch(head) is None:
        raise BadInput(f"{quote(category)} is no category", "see `hinode policy check`", field="category")
    rows, poor = _rows(text, name)
    if not rows:
        raise BadInput("the file has no hash", "give one of 64 hexadecimal digits in each line", field="file")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replace_file(path, durable=True) as part:
        part.write_text("\n".join([head, *rows, ""]), encoding="ascii")
    status = path.stat()
    return _load(path, status.st_mtime_ns, status.st_size), poor


def remove(home: Path, name: str) -> None:
    """Delete a bank; raises BadInput if there is none of this name."""
    try:
        _path(home, name).unlink()
    except FileNotFoundError:
        raise BadInput(f"there is no bank {quote(name)}", "see `hinode banks list`", field="name") from None


def _path(home: Path, name: str) -> Path:
    if _NAME.fullmatch(name) is None:
        message = f"{quote(name)} is no name of a bank"
        raise BadInput(message, "use up to 40 small letters, digits and hyphens", field="name")
    return home / FOLDER / f"{name}{SUFFIX}"


def _rows(text: str, name: str) -> tuple[list[str], int]:
    """The hashes in the lines of a text, each once, and how many were left out for their quality."""
    rows: dict[str, None] = {}
    poor = 0
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip().removeprefix("\ufeff")
        if not line or line.startswith("#"):
            continue
        match = _ROW.fullmatch(line)
        if match is None:
            message = f"line {number} of the bank {name} does not begin with a hash"
            raise BadInput(message, "give 64 hexadecimal digits, or # before a remark", field="file")
        if match[2] is not None and int(match[2]) < MIN_QUALITY:
            poor += 1
        else:
            rows[match[1].lower()] = None
    return list(rows), poor


@lru_cache(maxsize=64)
def _load(path: Path, modified: int, size: int) -> Bank:
    remedy = "add it again with `hinode banks add`"
    if size > MAX_BYTES:
        raise BadInput(f"the bank {path.stem} has more than {MAX_BYTES:,} bytes", "divide it", field="banks")
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise BadInput(f"the bank {path.stem} cannot be read", remedy, field="banks") from error
    head = _HEAD.fullmatch(text.partition("\n")[0])
    if head is None:
        raise BadInput(f"the bank {path.stem} does not say its category", remedy, field="banks")
    rows, _ = _rows(text, path.stem)
    hashes = np.stack([pdq.from_hex(row) for row in rows]) if rows else np.zeros((0, 4), np.uint64)
    return Bank(path.stem, head[1], int(head[2]), hashes)
