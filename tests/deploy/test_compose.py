"""The services of deploy/compose.yaml work together, as processes."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import compose


@pytest.mark.slow
def test_a_clip_made_through_one_server_is_downloaded_from_the_other() -> None:
    result = compose.measure()
    assert result["services"] == ["api-1", "api-2", "worker"]
    assert result["clip_bytes"] > 1000
    assert result["same_from_both"]
    assert result["proxy"] == (shutil.which("caddy") is not None)
    if result["proxy"]:
        assert result["metrics_hidden"]
        assert result["requests_during_a_stop"] > 1
        assert result["failed_during_a_stop"] == 0
        assert result["clip_after_a_stop"]
