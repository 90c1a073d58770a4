from __future__ import annotations

from tests.directing.conftest import home, settings

__all__ = ["home", "settings"]
