"""Meters: counters with faults, shares of a machine, and what is told of usage."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hinode.money.meters import counters, events, focus
from hinode.money.meters.counters import Accumulator, CounterFault
from hinode.money.meters.meter import Meter
from hinode.money.meters.usage import Record, StageUsage, Usage, add
from hinode.settings import Settings

HOME = Settings(home=Path("/nowhere"), device="cpu", threads=2)


def meter(joules: list[float | None], *, shared: bool = False, watts: float | None = None) -> Meter:
    """A meter whose clock makes ten seconds of each lap, of which this process works five and all do ten."""
    values, ticks = iter(joules), (10.0 * tick for tick in range(100))
    now = [0.0]

    def clock() -> float:
        now[0] = next(ticks)
        return now[0]

    def read() -> float:
        value = next(values)
        if value is None:
            raise OSError("the driver is away")
        return value

    source = Accumulator(read, shared, span=1000.0, clock=lambda: now[0])
    return Meter([source], watts=watts, clock=clock, cpu=lambda: now[0] / 2, busy=lambda: now[0])


def stages(used: Usage) -> Iterator[tuple[str, float | None]]:
    return ((name, stage.energy_wh) for name, stage in used.stages.items())


def test_energy_is_measured_by_stage_and_a_counter_may_begin_again() -> None:
    measured = meter([0.0, 360.0, 936.0, 12.0])
    for name in ("load", "sample", "sample"):
        measured.lap(name)
    used = measured.usage(HOME)
    assert used.energy_method == "measured"
    assert dict(stages(used)) == {"load": 0.1, "sample": pytest.approx((576 + 76) / 3600)}
    assert used.total(lambda stage: stage.cpu_seconds) == 15.0
    assert used.total(lambda stage: stage.gpu_seconds) == 0.0


def test_of_a_counter_of_the_whole_machine_the_own_share_counts() -> None:
    measured = meter([0.0, 720.0], shared=True)
    measured.lap("sample")
    assert dict(stages(measured.usage(HOME))) == {"sample": 0.1}


def test_a_sample_with_a_fault_is_dropped_and_unknown_is_not_nought() -> None:
    faulty: list[float | None] = [0.0, 360.0, None, 5e8]
    measured = meter(faulty)
    for name in ("load", "sample", "encode"):
        measured.lap(name)
    used = measured.usage(HOME)
    assert dict(stages(used)) == {"load": 0.1, "sample": None, "encode": None}
    assert used.energy_method == "none"
    assert used.total(lambda stage: stage.energy_wh) is None
    stated = meter(faulty, watts=36.0)
    for name in ("load", "sample", "encode"):
        stated.lap(name)
    used = stated.usage(HOME)
    assert dict(stages(used)) == {"load": 0.1, "sample": 0.1, "encode": 0.1}
    assert used.energy_method == "estimated"


def test_of_work_elsewhere_nothing_is_known() -> None:
    measured = meter([0.0, 360.0])
    measured.lap("wait")
    stage = measured.usage(HOME, external=True).stages["wait"]
    assert (stage.gpu_seconds, stage.energy_wh) == (None, None)
    assert add([]) is None


def test_counters_of_processors_are_found(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text("1000000\n")
    (tmp_path / "intel-rapl:0" / "max_energy_range_uj").write_text("262143328850\n")
    (counter,) = counters._rapl(tmp_path)  # the other package does not say when it begins again
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("1500000\n")
    assert counter.joules() == pytest.approx(0.5)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    with pytest.raises(CounterFault):
        counter.joules()


@pytest.mark.parametrize(
    ("device", "visible", "name"),
    [(None, None, 0), ("cuda:1", None, 1), ("cuda:1", "4,6", 6), ("cuda", "GPU-5e, GPU-7a", "GPU-5e")],
)
def test_a_gpu_of_cuda_is_found_by_nvml(device: str | None, visible: str | None, name: int | str) -> None:
    assert counters.visible_device(device, visible) == name


class Nvml:
    """The functions of NVML that are used, of a machine with a GPU that has spent 5 kJ."""

    energy = 5_000_000

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetTotalEnergyConsumption(self, device: int) -> int:
        if device != 3:
            raise RuntimeError("not supported by this GPU")
        self.energy += 1500
        return self.energy


def test_the_counter_of_a_gpu_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert counters._nvml(replace(HOME, device="cuda:2")) is None
    counter = counters._nvml(replace(HOME, device="cuda:3"))
    assert counter is not None
    assert (counter.joules(), counter.shared) == (1.5, False)


USED = Usage(
    hardware="NVIDIA H200",
    stages={
        "sample": StageUsage(
            seconds=4.0, cpu_seconds=1.0, gpu_seconds=4.0, energy_wh=0.5, energy_method="measured"
        ),
        "store": StageUsage(seconds=1.0, cpu_seconds=1.0, gpu_seconds=0.0),
    },
)
RECORD = Record.of(
    USED,
    job_id="video_1",
    project_id="proj_1",
    model="native/book",
    operation="generate",
    status="completed",
    began_at=1_796_083_000.0,
    ended_at=1_796_083_005.0,
    seconds=4.0,
    stored_bytes=900,
    charged=40_000,
    currency="USD",
)


def test_an_event_belongs_to_a_job_a_stage_and_a_kind() -> None:
    told = list(events.events(RECORD))
    assert [event["id"] for event in told] == [
        "video_1:sample:gpu_seconds",
        "video_1:sample:cpu_seconds",
        "video_1:sample:energy_wh",
        "video_1:store:gpu_seconds",
        "video_1:store:cpu_seconds",
        "video_1:store:stored_bytes",
        "video_1:deliver:output_seconds",
    ]
    assert told == list(events.events(RECORD))
    energy = told[2]
    assert (energy["specversion"], energy["type"], energy["subject"]) == ("1.0", "video.energy_wh", "proj_1")
    assert energy["time"] == "2026-11-30T23:56:45Z"
    assert energy["data"] == {
        "quantity": 0.5,
        "unit": "Wh",
        "stage": "sample",
        "job": "video_1",
        "model": "native/book",
        "method": "measured",
        "hardware": "NVIDIA H200",
    }


def test_the_table_of_focus_has_a_row_for_each_job_and_leaves_out_what_is_unknown() -> None:
    text = focus.table([RECORD, RECORD])
    assert text == focus.table([RECORD, RECORD])
    row, _ = csv.DictReader(io.StringIO(text))
    assert (row["BilledCost"], row["BillingCurrency"]) == ("0.04", "USD")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        "2026-11-01T00:00:00Z",
        "2026-12-01T00:00:00Z",
    )
    assert (row["ResourceId"], row["ConsumedQuantity"]) == ("video_1", "4.0")
    assert (row["x_GpuSeconds"], row["x_EnergyWh"], row["x_EnergyMethod"]) == ("4.0", "", "none")
