"""Any answer of a server becomes a job or an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hinode.engines.remote import wire
from hinode.engines.remote.dialects import DIALECTS, Phase

WORDS = st.sampled_from(["queued", "in_progress", "completed", "failed", "cancelled", "COMPLETED", "odd"])
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
ANSWERS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "status", "progress", "error", "result", "data", "url", "making"), JSON),
)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=40)
@given(answer=ANSWERS)
def test_any_answer_is_read_or_refused(dialect: str, answer: dict[str, Any]) -> None:
    try:
        job = wire.job(DIALECTS[dialect], answer)
    except ValueError:
        return
    assert job.phase in Phase
    assert job.percent is None or 0 <= job.percent <= 100
    assert len(job.id) <= wire.MAX_ID_LENGTH
    assert isinstance(job.refused, bool)


def test_extra_fields_stand_beside_ours() -> None:
    values: dict[str, Any] = {"sample_params": {"sample_steps": 4}}
    wire._put(values, "sample_params", {"sample_steps": 99, "guidance": {"txt_cfg": 5}})
    assert values == {"sample_params": {"sample_steps": 4, "guidance": {"txt_cfg": 5}}}
