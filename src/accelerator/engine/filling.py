"""Calls of the application for responses that may be stored."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from accelerator.engine.fill import Fill
from accelerator.engine.report import reason_to_forward
from accelerator.engine.task import Task
from accelerator.http.request import CONDITIONS
from accelerator.rules.reuse import Purpose

if TYPE_CHECKING:
    from accelerator.engine.exchange import Exchange
    from accelerator.engine.flight import Flight
    from accelerator.engine.invalidations import Invalidations
    from accelerator.engine.services import Services
    from accelerator.engine.upstream import Upstream
    from accelerator.rules.reuse import Decision
    from accelerator.stores.protocol import Lookup

logger = logging.getLogger("accelerator")


class Filler:
    """Calls the application for responses that may be stored.

    Args:
        upstream: the application.
        services: what all requests of the accelerator share.
        invalidations: invalidates what a POST has changed that was expected to read only.
    """

    def __init__(self, upstream: Upstream, services: Services, invalidations: Invalidations) -> None:
        self._upstream = upstream
        self._services = services
        self._invalidations = invalidations

    async def fill(
        self,
        exchange: Exchange,
        found: Lookup,
        decision: Decision,
        flight: Flight,
        purpose: Purpose = Purpose.ANSWER,
    ) -> Fill:
        """Call the application, pass its response on to the client, and store it if it may be.

        If its 304 cannot be used, the application is called again without conditions.

        Args:
            exchange: the request, and the client's `receive` and `send`.
            found: the lookup of the request; the fill takes its mark.
            decision: FILL or VALIDATE.
            flight: other requests may wait for it; it ends once the response is stored, or will not be.
            purpose: why the application is called.

        Returns:
            The fill, which has ended.
        """
        services, request = self._services, exchange.request
        if request.outer_identity:
            services.reporter.warn_of_outer_middleware(request)
        fwd = reason_to_forward(request, found, services.options.clock())
        task = Task(found, decision, flight, fwd, purpose)
        fill = Fill(exchange, task, services)
        try:
            await self._call(exchange, fill, task)
            if fill.wants_retry:
                exchange, task = exchange.again(), task.without_conditions()
                fill = Fill(exchange, task, services)
                await self._call(exchange, fill, task)
            return fill
        finally:
            if not fill.has_ended:
                fill.end()
            flight.land()

    async def _call(self, exchange: Exchange, fill: Fill, task: Task) -> None:
        """Call the application with the cache's conditions in place of the client's (RFC 9111 §4.3.1)."""
        request = exchange.request
        headers = [line for line in request.lines() if line[0] not in CONDITIONS] + task.conditions()
        send = self._invalidations.watching_send(request, fill.notes, fill.send)
        counts = self._services.reporter.counts
        counts.begin_fill(fill.notes)
        try:
            await self._upstream.call(exchange, fill.notes, fill.receive, send, headers)
        except Exception:
            if not await fill.rescue():
                await fill.finish()
                raise
            logger.exception("the application failed, a stale response was served: %r", request.url)
        finally:
            counts.end_fill(fill.notes)
        await fill.finish()
