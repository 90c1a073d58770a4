"""The memory of GPUs, as a stand-in for nvidia-smi tells it: this machine need not have one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hinode.errors import DeviceError
from hinode.jobs.capacity import devices

GIB = 1 << 30


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder at the head of PATH; `nvidia-smi` in it prints the file `answer`."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {tmp_path}/answer\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_without_a_driver_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.visible({}) == []
    assert devices.visible({"CUDA_VISIBLE_DEVICES": ""}) == []


def test_a_worker_sees_the_gpus_that_it_was_given(driver: Path) -> None:
    (driver / "answer").write_text("NVIDIA H200, 143771, 143000\n")
    (gpu,) = devices.visible({"CUDA_VISIBLE_DEVICES": "3"})
    assert (gpu.name, gpu.total) == ("NVIDIA H200", 143771 * devices.MIB)
    assert "--id=3" in (driver / "asked").read_text()


def test_memory_in_use_is_waited_for_and_named(driver: Path) -> None:
    (driver / "answer").write_text("NVIDIA L4, 23034, 1000\n")
    with pytest.raises(DeviceError, match=r"NVIDIA L4 has 1\.0 GB free.*end the other programs"):
        devices.await_memory(None, 0.0, alone=True)
    assert len(devices.await_memory(None, 0.0, alone=False)) == 1
    with pytest.raises(DeviceError, match=r"needs 85\.9 GB of a GPU, and NVIDIA L4 has 24\.2 GB"):
        devices.await_memory(80 * GIB, 60.0, alone=True)  # at once: it can never be
    (driver / "answer").write_text("NVIDIA L4, 23034, 23000\n")
    assert devices.await_memory(20 * GIB, 0.0, alone=True)


def test_a_driver_that_fails_is_no_absence(driver: Path) -> None:
    (driver / "nvidia-smi").write_text("#!/bin/sh\necho lost the device\nexit 15\n")
    with pytest.raises(DeviceError, match="lost the device"):
        devices.visible({})
