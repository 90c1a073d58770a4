"""Usage as CloudEvents 1.0 (https://cloudevents.io), as collectors of meters take it.

The id of an event belongs to job, stage and kind: whoever receives one twice counts it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hinode.money.meters.days import DAY, DayRecord, Kind
from hinode.money.meters.usage import Record

SOURCE, DAYS = "/hinode/jobs", "/hinode/days"
UNITS = {Kind.SERVED.value: "By", Kind.SCREENED.value: "1"}
KINDS = {"gpu_seconds": "s", "cpu_seconds": "s", "energy_wh": "Wh"}
"""The meters of a stage, with their units."""


def events(record: Record) -> Iterator[dict[str, Any]]:
    """The events of a job: each known quantity of each stage, the bytes of its files and its video."""
    for stage, values in record.stages.items():
        for kind, unit in KINDS.items():
            quantity = values.get(kind)
            if quantity is not None:
                yield _event(record, kind, stage, quantity, unit)
    if record.stored_bytes is not None:
        yield _event(record, "stored_bytes", "store", record.stored_bytes, "By")
    if record.seconds:
        yield _event(record, "output_seconds", "deliver", record.seconds, "s")


def day_event(record: DayRecord) -> dict[str, Any]:
    """The event of a day that is over; its id belongs to project, day and kind."""
    end = datetime.fromisoformat(record.day).replace(tzinfo=UTC) + DAY
    return {
        "specversion": "1.0",
        "id": f"{record.project_id}:{record.day}:{record.kind}",
        "source": DAYS,
        "type": f"video.{record.kind}",
        "subject": record.project_id,
        "time": _time(end),
        "datacontenttype": "application/json",
        "data": {"quantity": record.quantity, "unit": UNITS[record.kind], "day": record.day},
    }


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _event(record: Record, kind: str, stage: str, quantity: float, unit: str) -> dict[str, Any]:
    data = {"quantity": quantity, "unit": unit, "stage": stage, "job": record.job_id, "model": record.model}
    if kind == "energy_wh":
        data["method"] = record.stages[stage]["energy_method"]
    if record.hardware:
        data["hardware"] = record.hardware
    return {
        "specversion": "1.0",
        "id": f"{record.job_id}:{stage}:{kind}",
        "source": SOURCE,
        "type": f"video.{kind}",
        "subject": record.project_id,
        "time": _time(datetime.fromtimestamp(record.ended_at, UTC)),
        "datacontenttype": "application/json",
        "data": data,
    }
