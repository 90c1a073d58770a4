"""Which member of a pool a new job begins with, and the policy of its project."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from hinode import engines
from hinode.jobs.moves import LocalOnly
from hinode.jobs.scheduling.forecast import PLAYED_SECONDS, Forecast
from hinode.jobs.states import Priority
from hinode.money.fresh import Fresh
from hinode.records.tables import projects
from hinode.request import Capabilities, Request
from hinode.routing import record
from hinode.routing.pools import Pool
from hinode.routing.router import Expectation, route
from hinode.settings import Settings

Check = Callable[[Request, Capabilities], None]
"""Raises HinodeError if a model with these capabilities cannot carry out a request."""


class PoolRoutes:
    """Decides on the jobs of one database. Safe to use from several threads."""

    def __init__(self, settings: Settings, forecast: Forecast) -> None:
        self.settings = settings
        self.forecast = forecast
        # The lines of a batch are alike, and to play the queue ahead takes a while.
        self._expectations: Fresh[tuple[str, Priority, Request], Expectation] = Fresh(
            forecast.clock, PLAYED_SECONDS
        )

    def check_engine(self, project_id: str, engine: str) -> None:
        """Check that the policy of a project permits an engine.

        Raises:
            LocalOnly: it does not.
        """
        if engines.is_external(engine) and self._is_local_only(project_id):
            raise LocalOnly

    def check(self, pool: Pool, request: Request, project_id: str, check: Check) -> None:
        """Check that a member of a pool can carry out a request, before its files are there.

        Raises:
            BadInput: none can, or may.
        """
        self._route(pool, request, project_id, check, lambda request, places: Expectation())

    def begin(
        self, pool: Pool, request: Request, project_id: str, priority: Priority, check: Check
    ) -> tuple[Request, dict[str, Any]]:
        """The request with the first member of a pool as its model, and the record for its job.

        Raises:
            BadInput: no member can carry it out, or may.
        """

        def expect(request: Request, places: int) -> Expectation:
            shape = dataclasses.replace(request, prompt="-", negative_prompt="", seed=0, plan="")
            key = project_id, priority, shape
            expectation = self._expectations.get(
                key, lambda: self.forecast.expect(project_id, priority, request)
            )
            if not places:
                return expectation
            # The schedule knows workers, and not the places at a server.
            more = max(0, self.forecast.unfinished(request.engine, str(request.model)) + 1 - places)
            wait = max(expectation.wait, expectation.seconds * more / places)
            return dataclasses.replace(expectation, wait=wait)

        routing = self._route(pool, request, project_id, check, expect)
        first = record.current(routing)
        return dataclasses.replace(request, engine=first["engine"], model=first["model"]), routing

    def _route(
        self,
        pool: Pool,
        request: Request,
        project_id: str,
        check: Check,
        expect: Callable[[Request, int], Expectation],
    ) -> dict[str, Any]:
        local_only = self._is_local_only(project_id)
        if local_only and all(member.provider for member in pool.members):
            raise LocalOnly
        decision = route(
            pool,
            request,
            self.settings,
            clock=self.forecast.clock,
            check=check,
            expect=expect,
            local_only=local_only,
        )
        return record.begin(pool.name, decision)

    def _is_local_only(self, project_id: str) -> bool:
        query = sa.select(projects.c.local_only).where(projects.c.id == project_id)
        with self.forecast.database.read() as connection:
            return bool(connection.scalar(query))
