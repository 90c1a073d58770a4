from __future__ import annotations

import json

from hinode.api.requests.models import CreateVideo
from hinode.parsing import parse


def test_a_plan_is_an_object_or_json_text_as_forms_hold_it() -> None:
    plan = {"seconds": 2.0, "place": "sea"}
    for value in (plan, json.dumps(plan)):
        assert parse(CreateVideo, {"prompt": "a fish", "plan": value}).plan == plan
    assert parse(CreateVideo, {"prompt": "a fish", "plan": ""}).plan == {}
