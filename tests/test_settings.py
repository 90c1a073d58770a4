from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hinode import environment
from hinode.errors import BadInput
from hinode.records.database import parse
from hinode.settings import Settings, thread_variables


def test_the_environment_decides(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"HINODE_HOME": str(tmp_path), "HINODE_THREADS": "2", "HINODE_DEVICE": "cpu"}
    )
    assert settings == Settings(tmp_path, 2, "cpu")
    assert settings.models == tmp_path / "models"
    assert settings.logs == tmp_path / "logs"


def test_without_settings_the_platform_decides() -> None:
    settings = Settings.from_environment({"HINODE_HOME": "", "HINODE_THREADS": " "})
    assert settings.home.is_absolute()
    assert settings.home.name == "hinode"
    assert (settings.threads, settings.device) == (None, None)


def test_a_relative_home_is_made_absolute() -> None:
    assert Settings.from_environment({"HINODE_HOME": "here"}).home == Path.cwd() / "here"


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "٣", "9" * 5000])
def test_threads_are_a_sensible_number(text: str) -> None:
    with pytest.raises(BadInput, match="HINODE_THREADS") as caught:
        Settings.from_environment({"HINODE_THREADS": text})
    assert caught.value.field == "HINODE_THREADS"
    assert len(str(caught.value)) < 200


def test_a_device_is_one_of_torch() -> None:
    assert Settings.from_environment({"HINODE_DEVICE": "cuda:1"}).device == "cuda:1"
    with pytest.raises(BadInput, match="HINODE_DEVICE"):
        Settings.from_environment({"HINODE_DEVICE": "toaster"})


def test_what_is_probed_and_who_hears_of_it() -> None:
    variables = {
        "MODELS": "testcard, native/book",
        "MAIL": "ada@example.com",
        "SECONDS": "5",
        "URL": "http://a/",
    }
    settings = Settings.from_environment({f"HINODE_STATUS_{name}": text for name, text in variables.items()})
    assert settings.status_models == ("testcard", "native/book")
    assert settings.status_mail == ("ada@example.com",)
    assert (settings.status, settings.status_seconds, settings.status_url) == (False, 5.0, "http://a")
    wrong = {"MODELS": "native/book,native/other", "MAIL": "ada", "SECONDS": "60", "URL": "a", "": "perhaps"}
    for name, text in wrong.items():
        variable = f"HINODE_STATUS_{name}".rstrip("_")
        with pytest.raises(BadInput) as caught:
            Settings.from_environment({variable: text})
        assert caught.value.field == variable


def test_names_of_the_server() -> None:
    settings = Settings.from_environment({"HINODE_HOSTS": " Studio.Example.com., 10.0.0.1 ,fd00::1"})
    assert settings.hosts == ("studio.example.com", "10.0.0.1", "fd00::1")
    for text in ("http://studio.example.com", "studio.example.com:80", "*", "a b", "a/b"):
        with pytest.raises(BadInput, match="without scheme and port"):
            Settings.from_environment({"HINODE_HOSTS": text})


def test_the_mail_server() -> None:
    url = "smtps://ada%40example.com:s3cret@mail.example.com:465"
    assert Settings.from_environment({"HINODE_SMTP_URL": url}).smtp_url == url
    assert "s3cret" not in repr(Settings.from_environment({"HINODE_SMTP_URL": url}))
    for text in ("http://x", "smtp://ada:s3cret@host", "smtp://:s3cret@host:x?from=a@b", "smtp://?from=a@b"):
        with pytest.raises(BadInput) as caught:
            Settings.from_environment({"HINODE_SMTP_URL": text})
        assert "s3cret" not in str(caught.value)


def test_jobs_are_kept_in_the_home_by_default(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/hinode.db"
    assert settings.store == tmp_path / "store"
    assert parse(Settings(tmp_path / "a?b #%20").database_url).database == f"{tmp_path}/a?b #%20/hinode.db"
    assert settings == Settings.from_environment({"HINODE_HOME": str(tmp_path)})
    settings = Settings.from_environment(
        {"HINODE_HOME": str(tmp_path), "HINODE_DATABASE_URL": "postgresql://db/hinode", "HINODE_STORE": "s"}
    )
    assert settings.database_url == "postgresql://db/hinode"
    assert settings.store == Path.cwd() / "s"


def test_the_times_of_jobs_can_be_set() -> None:
    settings = Settings.from_environment(
        {
            "HINODE_RETENTION_HOURS": "0.5",
            "HINODE_LEASE_SECONDS": "3",
            "HINODE_CHECKPOINT_SECONDS": "2.5",
            "HINODE_SLICE_SECONDS": "4.",
            "HINODE_TESTCARD_STEP_SECONDS": "0",
        }
    )
    assert settings.retention_seconds == 1800
    assert (settings.lease_seconds, settings.checkpoint_seconds, settings.slice_seconds) == (3, 2.5, 4)
    assert settings.testcard_step_seconds == 0
    default = Settings.from_environment({})
    assert default.retention_seconds == 7 * 86400
    assert (default.lease_seconds, default.checkpoint_seconds, default.slice_seconds) == (15, 10, 10)


@pytest.mark.parametrize("name", ["RETENTION_HOURS", "LEASE_SECONDS", "CHECKPOINT_SECONDS", "SLICE_SECONDS"])
@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e3", "1_0", "soon", "٣", "9" * 400])
def test_times_are_sensible_numbers(name: str, text: str) -> None:
    with pytest.raises(BadInput, match=name) as caught:
        Settings.from_environment({f"HINODE_{name}": text})
    assert caught.value.field == f"HINODE_{name}"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "allowed"), [("1", True), ("Yes", True), ("0", False), ("off", False), ("", False)]
)
def test_private_addresses_are_allowed_by_a_switch(text: str, allowed: bool) -> None:
    assert Settings.from_environment({"HINODE_ALLOW_PRIVATE_URLS": text}).allow_private_urls is allowed


def test_pages_that_may_call_are_origins() -> None:
    read = Settings.from_environment({"HINODE_ALLOW_ORIGINS": "http://localhost:3000/, https://a.example"})
    assert read.allow_origins == ("http://localhost:3000", "https://a.example")
    assert Settings.from_environment({"HINODE_ALLOW_ORIGINS": "*"}).allow_origins == ("*",)
    for text in ("localhost:3000", "https://a.example/page", "a b"):
        with pytest.raises(BadInput, match="or \\* for all pages"):
            Settings.from_environment({"HINODE_ALLOW_ORIGINS": text})


def test_a_switch_is_on_or_off() -> None:
    with pytest.raises(BadInput, match="HINODE_ALLOW_PRIVATE_URLS"):
        Settings.from_environment({"HINODE_ALLOW_PRIVATE_URLS": "maybe"})


def test_clients_names_of_models_are_mapped() -> None:
    text = " sora-2 = native/book, sora-2-pro=testcard ,"
    settings = Settings.from_environment({"HINODE_MODELS": text})
    assert settings.aliases == {"sora-2": "native/book", "sora-2-pro": "testcard"}
    assert Settings.from_environment({}).aliases == {}
    assert hash(settings) == hash(settings)


@pytest.mark.parametrize(
    "text", ["sora-2", "=native", "sora-2=", "a=b=c", "a=../x", "a=native/book,a=native/mini"]
)
def test_a_wrong_map_of_models_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="HINODE_MODELS"):
        Settings.from_environment({"HINODE_MODELS": text})


def test_a_misspelled_variable_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    environment._warn.cache_clear()
    for _ in range(2):
        Settings.from_environment({"HINODE_HOME": "h", "HINODE_THREDS": "2", "PATH": "/bin"})
    assert [record.message for record in caplog.records] == [
        "the variable HINODE_THREDS is no setting and is ignored; the nearest setting is HINODE_THREADS"
    ]


def test_waiting_threads_sleep_unless_the_person_says_otherwise() -> None:
    assert thread_variables({}) == {"OMP_WAIT_POLICY": "PASSIVE"}
    assert thread_variables({"OMP_WAIT_POLICY": "ACTIVE"}) == {"OMP_WAIT_POLICY": "ACTIVE"}
    assert thread_variables({"HINODE_THREADS": " 3 ", "OMP_NUM_THREADS": "8"})["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in thread_variables({"HINODE_THREADS": ""})


def test_the_command_sets_them_before_anything_else() -> None:
    code = (
        "import os, sys; from hinode import cli\n"
        "assert 'torch' not in sys.modules\n"
        "cli.app = lambda: print(os.environ['OMP_WAIT_POLICY'], os.environ['OMP_NUM_THREADS'])\n"
        "cli.main()"
    )
    environment = {"HINODE_THREADS": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert output == "PASSIVE 2\n"


def test_files_are_in_a_folder_or_in_a_bucket(tmp_path: Path) -> None:
    home = {"HINODE_HOME": str(tmp_path)}
    settings = Settings.from_environment(
        {
            **home,
            "HINODE_STORE": "s3://films/hinode/",
            "HINODE_STORE_ENDPOINT": "http://10.0.0.1:9000/",
            "HINODE_STORE_CACHE_GB": "0.5",
        }
    )
    assert (settings.store_url, settings.store) == ("s3://films/hinode", tmp_path / "store-cache")
    assert (settings.store_endpoint, settings.store_public_endpoint) == ("http://10.0.0.1:9000", "")
    assert settings.store_cache_bytes == 500_000_000
    elsewhere = {**home, "HINODE_STORE": "s3://films", "HINODE_STORE_CACHE": str(tmp_path / "fast")}
    assert Settings.from_environment(elsewhere).store == tmp_path / "fast"
    for store in ("", str(tmp_path)):
        with pytest.raises(BadInput, match="HINODE_STORE_CACHE is set, and HINODE_STORE names no bucket"):
            Settings.from_environment({**elsewhere, "HINODE_STORE": store})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HINODE_STORE", "s3://"),
        ("HINODE_STORE", "s3://key:secret@films"),
        ("HINODE_STORE", "gs://films"),
        ("HINODE_STORE", "s3://films//hinode"),
        ("HINODE_STORE_ENDPOINT", "s3.example.com"),
        ("HINODE_STORE_ENDPOINT", "https://s3.example.com/films"),
        ("HINODE_STORE_PUBLIC_ENDPOINT", "https://user:secret@s3.example.com"),
        ("HINODE_STORE_WORKER_ENDPOINT", "10.0.0.1:9000"),
        ("HINODE_STORE_CACHE_GB", "0"),
    ],
)
def test_addresses_of_a_store_are_checked(name: str, text: str) -> None:
    with pytest.raises(BadInput, match=name) as caught:
        Settings.from_environment({name: text})
    assert caught.value.field == name
    assert "secret" not in str(caught.value)
