"""Ids and names as `hinode.records.ids` makes and checks them, for the jobs."""

from __future__ import annotations

from hinode.records.ids import is_id as is_id
from hinode.records.ids import make as make
from hinode.records.ids import parse_name as parse_name
