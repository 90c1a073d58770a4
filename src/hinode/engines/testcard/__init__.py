"""An engine that draws a test card at once, for clients and tests."""

from __future__ import annotations

from hinode.engines.protocol import EngineEntry

ENGINE = EngineEntry("hinode.engines.testcard.engine:TestcardEngine")
