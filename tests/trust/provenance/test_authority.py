from __future__ import annotations

import datetime as dt
import multiprocessing
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

from hinode.records.database import Database
from hinode.settings import Settings
from hinode.trust.provenance.authority import (
    KEYS,
    SECRET,
    load_keyring,
    locked,
    open_authority,
    read_secret,
    save_keyring,
)
from hinode.trust.provenance.keyring import AuthorityError, Keyring
from hinode.trust.provenance.sharing import share
from hinode.trust.provenance.signing import sign
from hinode.trust.provenance.statement import Extent, Statement
from tests.manifests import read_manifest

NOW = dt.datetime.now(dt.UTC)
STATEMENT = Statement(Extent.ALL, engine="native", model="book")


def picture(path: Path) -> Path:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return path


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


def test_a_rotation_leaves_what_was_signed_verifiable(tmp_path: Path) -> None:
    before = open_authority(tmp_path)
    sign(picture(tmp_path / "before.png"), STATEMENT, before)
    for root in (False, True):
        keyring = load_keyring(tmp_path)
        assert keyring is not None
        with locked(tmp_path):
            save_keyring(tmp_path, keyring.rotate(read_secret(tmp_path), NOW, root=root))
    after = open_authority(tmp_path)
    assert after.certificates != before.certificates
    assert after.anchors().count(b"BEGIN CERTIFICATE") == 2
    sign(picture(tmp_path / "after.png"), STATEMENT, after)
    assert {read_manifest(tmp_path / name, after).state for name in ("before.png", "after.png")} == {
        "Trusted"
    }
    assert read_manifest(tmp_path / "after.png", before).state == "Valid"  # of another root
    text = (tmp_path / "trust" / KEYS).read_text()
    assert text.count("BEGIN ENCRYPTED PRIVATE KEY") == 3  # those of retired certificates are gone


def test_a_leaf_that_ends_soon_is_renewed(tmp_path: Path) -> None:
    with locked(tmp_path):
        long_ago = NOW - dt.timedelta(days=10 * 365 - 30)
        save_keyring(tmp_path, Keyring.make(read_secret(tmp_path), long_ago))
    assert open_authority(tmp_path).leaf.not_valid_after_utc - NOW > dt.timedelta(days=3000)


def test_a_command_signs_in_place_of_a_key(tmp_path: Path) -> None:
    keyring = Keyring.make(b"elsewhere", NOW)
    key = keyring.signing_key(b"elsewhere")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "chain.pem").write_bytes(keyring.chain + keyring.anchors)
    program = tmp_path / "sign.py"
    program.write_text(
        "import sys\n"
        "from cryptography.hazmat.primitives import hashes, serialization\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        "key = serialization.load_pem_private_key(open(sys.argv[1], 'rb').read(), None)\n"
        "sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), ec.ECDSA(hashes.SHA256())))\n"
    )
    settings = Settings(
        tmp_path / "home",
        trust_signer=f"{sys.executable} {program} {tmp_path / 'key.pem'}",
        trust_certificates=tmp_path / "chain.pem",
    )
    authority = open_authority(settings.home, settings)
    path = picture(tmp_path / "a.png")
    sign(path, STATEMENT, authority)
    assert read_manifest(path, authority).state == "Trusted"
    assert not (tmp_path / "home").exists()
    unsigned = picture(tmp_path / "b.png").read_bytes()
    (tmp_path / "key.pem").unlink()
    with pytest.raises(AuthorityError, match="ends with status 1"):
        sign(tmp_path / "b.png", STATEMENT, authority)
    assert (tmp_path / "b.png").read_bytes() == unsigned
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".part") == []


@pytest.mark.both_databases
def test_servers_of_one_database_sign_with_one_authority(database: Database, tmp_path: Path) -> None:
    if database.sqlite:
        share(database, Settings(tmp_path))
        assert not (tmp_path / "trust").exists()  # a file has one home
        return
    homes = [Settings(tmp_path / name, trust_secret="s" * 32) for name in ("one", "two")]
    for settings in homes:
        share(database, settings)
    one, two = (open_authority(settings.home, settings) for settings in homes)
    assert one.certificates == two.certificates
    keyring = load_keyring(homes[0].home)
    assert keyring is not None
    save_keyring(homes[0].home, keyring.rotate(b"s" * 32, NOW))
    for settings in homes:
        share(database, settings)
    assert open_authority(homes[1].home, homes[1]).certificates != one.certificates
    with pytest.raises(AuthorityError, match="does not open the signing keys of the database"):
        share(database, Settings(tmp_path / "three", trust_secret="x" * 32))
    open_authority(tmp_path / "four")
    with pytest.raises(AuthorityError, match="and those of the database for"):
        share(database, Settings(tmp_path / "four"))
