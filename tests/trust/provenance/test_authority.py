from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from hinode.trust.provenance.authority import KEYS, SECRET, open_authority
from hinode.trust.provenance.keyring import AuthorityError


def test_it_is_made_once_and_its_keys_are_encrypted(tmp_path: Path) -> None:
    first, second = open_authority(tmp_path), open_authority(tmp_path)
    assert first.certificates == second.certificates
    text = (tmp_path / "trust" / KEYS).read_text()
    assert text.count("BEGIN ENCRYPTED PRIVATE KEY") == 3
    assert "BEGIN PRIVATE KEY" not in text
    for name in (KEYS, SECRET):
        assert stat.S_IMODE((tmp_path / "trust" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "trust").stat().st_mode) == 0o700


def _certificates(home: Path) -> bytes:
    return open_authority(home).certificates


def test_processes_that_start_at_once_make_one(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert len(set(pool.map(_certificates, [tmp_path] * 6, chunksize=1))) == 1


def test_another_secret_opens_nothing(tmp_path: Path) -> None:
    open_authority(tmp_path)
    (tmp_path / "trust" / SECRET).write_text("0" * 64)
    with pytest.raises(AuthorityError, match="HINODE_TRUST_SECRET"):
        open_authority(tmp_path).sign(b"data")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    open_authority(tmp_path)
    path = tmp_path / "trust" / KEYS
    path.write_text(path.read_text()[:1000])
    with pytest.raises(AuthorityError, match="keys"):
        open_authority(tmp_path)
