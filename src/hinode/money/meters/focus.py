"""Usage as a FOCUS 1.2 table (https://focus.finops.org): a row for each job that ended, and for each day.

It is a function of the records and of nothing else: the same records give the same bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from hinode.money.amounts import format_amount
from hinode.money.meters.days import DAY, DayRecord, Kind
from hinode.money.meters.usage import Record
from hinode.money.pricing import CURRENCY

NAME = "Hinode"
COLUMNS = (
    *("BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd"),
    *("ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"),
    *("ChargePeriodStart", "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit"),
    *("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingQuantity", "PricingUnit"),
    *("ProviderName", "PublisherName", "InvoiceIssuerName", "ServiceCategory", "ServiceName"),
    *("ResourceId", "ResourceType", "SkuId", "SubAccountId", "SubAccountName"),
    *("x_Operation", "x_Status", "x_Hardware", "x_GpuSeconds", "x_CpuSeconds", "x_WorkSeconds"),
    *("x_EnergyWh", "x_EnergyMethod", "x_StoredBytes"),
)


UNITS = {Kind.SERVED.value: ("Bytes", "Files served"), Kind.SCREENED.value: ("Requests", "Screening")}


def table(records: Iterable[Record], days: Iterable[DayRecord] = (), issuer: str = NAME) -> str:
    """The table as CSV.

    Args:
        records: of the jobs of the period.
        days: what projects used beside them, which costs nothing.
        issuer: who sends the invoices.
    """
    target = io.StringIO()
    writer = csv.DictWriter(target, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(_row(record, issuer))
    for day in days:
        writer.writerow(_day(day, issuer))
    return target.getvalue()


def _row(record: Record, issuer: str) -> dict[str, Any]:
    cost = format_amount(record.charged or 0)
    begin, end = _month(record.ended_at)
    row = {
        "BillingAccountId": record.project_id,
        "BillingCurrency": record.currency,
        "BillingPeriodStart": begin,
        "BillingPeriodEnd": end,
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{record.operation} by {record.model}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(record.began_at),
        "ChargePeriodEnd": _time(max(record.ended_at, record.began_at)),
        "ConsumedQuantity": record.seconds,
        "ConsumedUnit": "Seconds",
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), cost),
        "PricingQuantity": record.seconds,
        "PricingUnit": "Seconds",
        "ProviderName": issuer,
        "PublisherName": NAME,
        "InvoiceIssuerName": issuer,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Video generation",
        "ResourceId": record.job_id,
        "ResourceType": "Video",
        "SkuId": record.model,
        "SubAccountId": record.project_id,
        "x_Operation": record.operation,
        "x_Status": record.status,
        "x_Hardware": record.hardware,
        "x_GpuSeconds": record.gpu_seconds,
        "x_CpuSeconds": record.cpu_seconds,
        "x_WorkSeconds": record.work_seconds,
        "x_EnergyWh": record.energy_wh,
        "x_EnergyMethod": record.energy_method,
        "x_StoredBytes": record.stored_bytes,
    }
    return {name: "" if value is None else value for name, value in row.items()}


def _day(record: DayRecord, issuer: str) -> dict[str, Any]:
    begin = datetime.fromisoformat(record.day).replace(tzinfo=UTC)
    month, next_month = _month(begin.timestamp())
    unit, service = UNITS[record.kind]
    return {
        "BillingAccountId": record.project_id,
        "BillingCurrency": CURRENCY,
        "BillingPeriodStart": month,
        "BillingPeriodEnd": next_month,
        "ChargeCategory": "Usage",
        "ChargeDescription": service,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(begin.timestamp()),
        "ChargePeriodEnd": _time((begin + DAY).timestamp()),
        "ConsumedQuantity": record.quantity,
        "ConsumedUnit": unit,
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), format_amount(0)),
        "PricingQuantity": record.quantity,
        "PricingUnit": unit,
        "ProviderName": issuer,
        "PublisherName": NAME,
        "InvoiceIssuerName": issuer,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": service,
        "SubAccountId": record.project_id,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _month(seconds: float) -> tuple[str, str]:
    """When the month of a moment began, and when the next one does."""
    begin = datetime.fromtimestamp(seconds, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (begin.year, begin.month + 1) if begin.month < 12 else (begin.year + 1, 1)
    return _time(begin.timestamp()), _time(begin.replace(year=year, month=month).timestamp())
