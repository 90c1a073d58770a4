"""`fleet.toml`: what is read, what is refused, and which class gets which work."""

from __future__ import annotations

from pathlib import Path

import pytest

from hinode.errors import BadInput, ModelError
from hinode.jobs.capacity.fleet import divide, read
from hinode.settings import Settings

FILE = """
wait_target_seconds = 90

[[workers]]
name = "h100"
maximum = 8
minimum = 1
cpus = 8
gpus = 1
memory_gb = 64
gpu_memory_gb = 70
labels = { "ray.io/accelerator-type" = "H100" }
engines = ["diffusers"]
hourly_price = 3.5
max_cost = 100
cold_start_seconds = 300

[[workers]]
name = "small"
maximum = 4
cpus = 2
hourly_price = 0.1
engines = ["native", "testcard"]
"""


def write(home: Path, text: str) -> Settings:
    (home / "fleet.toml").write_text(text, encoding="utf-8")
    return Settings(home, device="cpu")


def test_without_a_file_there_is_one_class(tmp_path: Path) -> None:
    (only,) = read(Settings(tmp_path, device="cpu"), 3, threads=2.0)
    assert (only.name, only.need.cpus, only.need.gpus) == ("default", 2.0, 0.0)
    assert (only.limits.minimum, only.limits.maximum) == (1, 3)
    assert only.runs("anything/at-all")
    assert read(Settings(tmp_path, device="cpu"), 0)[0].limits.minimum == 0
    assert read(Settings(tmp_path, device="cuda"), 1)[0].need.gpus == 1.0


def test_the_cheapest_class_that_runs_a_model_gets_its_work(tmp_path: Path) -> None:
    classes = read(write(tmp_path, FILE), 1)
    assert [worker.name for worker in classes] == ["small", "h100"]
    need, limits = classes[1].need, classes[1].limits
    assert (need.gpus, need.gpu_memory, need.labels) == (1.0, 70 * 10**9, {"ray.io/accelerator-type": "H100"})
    assert (limits.wait_target, limits.cold_start, limits.max_cost) == (90.0, 300.0, 100.0)
    work = {"native/book": 10.0, "testcard/testcard": 5.0, "diffusers/wan": 70.0, "remote/x": 1.0}
    shares, unserved = divide(work, classes)
    assert (shares["small"].waiting, shares["h100"].waiting) == (15.0, 70.0)
    assert shares["small"].queued_models == {"native/book", "testcard/testcard"}
    assert unserved == ("remote/x",)


def test_a_class_without_a_price_is_not_the_cheapest(tmp_path: Path) -> None:
    text = '[[workers]]\nname = "a"\nmaximum = 1\n[[workers]]\nname = "b"\nmaximum = 1\nhourly_price = 9\n'
    assert [worker.name for worker in read(write(tmp_path, text), 1)] == ["b", "a"]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("hourly_price = 3.5\n", "", "workers.h100.hourly_price is missing"),
        ("minimum = 1", "minimum = 9", "workers.h100.minimum is 9, above its maximum; give 8 at most"),
        ("gpus = 1", "gpus = 1.5", "gpus is 1.5; give a share of one GPU, or a whole number"),
        ('"diffusers"', '"difusers"', "has 'difusers', which is no engine"),
        ('"small"', '"h100"', "has two classes h100"),
        ("cpus = 2", "cpus = 0", "give more than 0"),
        ("cpus = 2", "cpu = 2", "the nearest known field is cpus"),
        ("maximum = 4", "maximum = 'four'", "give a whole number"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    assert before in FILE
    with pytest.raises(BadInput) as caught:
        read(write(tmp_path, FILE.replace(before, after)), 1)
    assert sentence in str(caught.value)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"fleet\.toml cannot be read"):
        read(write(tmp_path, "["), 1)
