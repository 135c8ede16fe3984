"""One request, top to bottom: look up, decide, serve or fill."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from accelerator import policy
from accelerator.entry import CONDITIONS, Request, Response
from accelerator.fill import CopyBudget, Exchange, Fill
from accelerator.flight import ROUNDS, Flights, Patience, place_of
from accelerator.guard import Guard
from accelerator.normalise import Ignored
from accelerator.policy import Decision
from accelerator.report import Reporter
from accelerator.respond import respond
from accelerator.tagging import start_listening, stop_listening

if TYPE_CHECKING:
    from accelerator.asgi_types import Application, Message, Receive, Scope, Send
    from accelerator.entry import Entry
    from accelerator.flight import Flight
    from accelerator.options import EventKind, Options
    from accelerator.runtime import Runtime
    from accelerator.stores import Lookup, Store

logger = logging.getLogger("accelerator")

REFRESH_SECONDS: Final = 60.0
"""How long a fill on nobody's behalf may take."""

REFRESHES: Final = 3
"""How often one refresh starts over because what it read was softly invalidated meanwhile."""


class Engine:
    """The cache in front of an application.

    Args:
        app: the application.
        store: where entries live.
        options: the options.
        owner: what handlers find in the scope as `accelerator`.
        runtime: the world it runs in.

    Attributes:
        ignored: what of a request does not count.
        reporter: what it says of itself.
    """

    def __init__(self, app: Application, store: Store, options: Options, owner: object, runtime: Runtime) -> None:
        self._app = app
        self._guard = Guard(store)
        self._options = options
        self._owner = owner
        self._runtime = runtime
        self._flights = Flights(runtime, options.clock)
        self.ignored = Ignored(options.ignore_query, options.ignore_cookies)
        self.reporter = Reporter(options)
        self._budget = CopyBudget()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        partition = self._options.partition(scope) if self._options.partition is not None else ""
        exchange = Exchange(Request(self.ignored.scope(scope), partition or ""), scope, receive, send)
        if partition is None or exchange.request.is_bypass or not self._options.enabled:
            await self._pass(exchange)
        else:
            await self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        """Serve, fill, or wait for another fill and look up again (RFC 9111 §4)."""
        request = exchange.request
        patience = Patience(ROUNDS if self._options.coalesce else 0)
        may_look_again = True
        while True:
            landings = self._flights.landings
            found = await self._guard.look_up(request)
            if found is None:
                break
            now = self._options.clock()
            decision = policy.decide(request, found.entry, found.invalidated, now)
            match decision:
                case Decision.HIT | Decision.STALE:
                    if decision is Decision.STALE:
                        self._refresh(exchange, found)
                    return await self._serve(exchange, found, decision, now)
                case Decision.FILL | Decision.VALIDATE:
                    flight = await self._flights.board(place_of(request, found), patience)
                    if flight is None:
                        exchange.collapsed = True
                    elif may_look_again and self._flights.have_landed(flight.place, since=landings):
                        may_look_again = False  # what this lookup missed may have been stored right after it
                        flight.land()
                    else:
                        return await self._fill(exchange, found, decision, flight)
                case Decision.PASS:
                    break
                case _:
                    assert_never(decision)
        with exchange.shown_as(request.lines()):  # as it would be if this could be stored
            return await self._pass(exchange)

    async def _serve(self, exchange: Exchange, found: Lookup, decision: Decision, now: float) -> None:
        """Answer from the store."""
        entry = found.entry
        assert entry is not None  # noqa: S101 - it was decided to serve it
        age = policy.age(entry, now)
        ttl = 0 if found.invalidated and age < entry.lifetime else entry.lifetime - age
        line = self.reporter.line(
            *(("fwd=miss", "collapsed") if exchange.collapsed else ("hit",)), f"ttl={int(ttl // 1)}"
        )
        await respond(exchange.request, entry, age, line, exchange.send)
        kind: EventKind = "hit" if decision is Decision.HIT else "stale"
        method = exchange.scope["method"]
        self.reporter.tell(kind, exchange.request, method, entry, age=age, ttl=ttl, collapsed=exchange.collapsed)

    # --- calling the application --------------------------------------------------------------------------------------

    async def _fill(self, exchange: Exchange, found: Lookup, decision: Decision, flight: Flight) -> None:
        """Call the application and keep its answer if it may be kept; the flight lands once it is, or cannot be."""

        async def commit(entry: Entry) -> bool:
            stored = await self._guard.commit(entry)
            flight.land()
            return stored

        def judge(storable: bool) -> None:
            self._flights.judge(flight.place, storable=storable)
            if not storable:
                flight.land()

        def tell(fill: Fill) -> None:
            if not fill.wants_retry:
                detail = "stored" if fill.stored else fill.reason
                ttl = fill.entry.lifetime if fill.entry is not None and fill.stored else None
                self.reporter.tell(
                    fill.kind, exchange.request, exchange.scope["method"], fill.entry, detail=detail, ttl=ttl
                )

        stale = found.entry if flight.place.is_stored else None
        fill_for = partial(
            Fill,
            found=found,
            stale=stale,
            fwd=_reason_to_forward(exchange.request, found),
            options=self._options,
            reporter=self.reporter,
            budget=self._budget,
            commit=commit,
            judge=judge,
            tell=tell,
        )
        fill = fill_for(exchange)
        try:
            fill.is_validation = decision is Decision.VALIDATE
            fill.is_known_storable = stale is not None or self._flights.is_storable(flight.place, if_unknown=False)
            await self._call(exchange, fill, policy.conditions(stale) if stale and fill.is_validation else [])
            if fill.wants_retry and not fill.answered_stale:
                exchange = exchange.again()
                fill = fill_for(exchange)
                fill.is_known_storable = True
                await self._call(exchange, fill, [])
            if fill.must_drop:
                await self._guard.invalidate([exchange.request.url_tag])
        finally:
            flight.land()

    async def _call(self, exchange: Exchange, fill: Fill, conditions: list[tuple[bytes, bytes]]) -> None:
        """Call the application with the cache's conditions in place of the client's (RFC 9111 §4.3.1)."""
        scope = exchange.scope
        ttl = scope.get("accelerator.cache_for")
        headers = [line for line in exchange.request.lines() if line[0] not in CONDITIONS] + conditions
        scope["accelerator"] = self._owner
        scope["accelerator.tags"] = fill.said.tags
        token = start_listening(fill.said)
        try:
            with exchange.shown_as(headers):
                await self._app(scope, fill.receive, fill.send)
        except Exception:
            if not await fill.rescue():
                await fill.finish()
                raise
            logger.exception("the application failed, a stale response was served: %r", exchange.request.url)
        finally:
            stop_listening(token)
            if ttl is None:
                scope.pop("accelerator.cache_for", None)
            scope.pop("accelerator", None)
            scope.pop("accelerator.tags", None)
        await fill.finish()

    def _refresh(self, exchange: Exchange, found: Lookup) -> None:
        """Make a stale entry anew in the background, unless that is under way (RFC 5861 §3)."""
        flight = self._flights.lead_if_none(place_of(exchange.request, found))
        if flight is not None:
            name = f"refresh of {exchange.request.url!r}"
            self._runtime.spawn(name, REFRESH_SECONDS, self._fill_alone, exchange.detached(), found, flight)

    async def _fill_alone(self, exchange: Exchange, found: Lookup, flight: Flight) -> None:
        """Fill on nobody's behalf. One that began before a soft invalidation is not the one refresh after it."""
        assert found.entry is not None  # noqa: S101 - it is what is stale
        for _ in range(REFRESHES):
            can_validate = policy.can_validate(found.entry, found.invalidated)
            await self._fill(exchange, found, Decision.VALIDATE if can_validate else Decision.FILL, flight)
            before, again = found.entry, await self._guard.look_up(exchange.request)
            if again is None or again.entry is None or not again.invalidated or again.entry == before:
                return
            successor = self._flights.lead_if_none(flight.place)
            if successor is None:
                return
            found, flight = again, successor
        flight.land()

    async def _pass(self, exchange: Exchange) -> None:
        """Call the application and keep nothing, but for what an unsafe method takes back (RFC 9111 §4.4)."""
        scope, request = exchange.scope, exchange.request

        async def send(message: Message) -> None:
            if message.get("type") == "http.response.start":
                response = Response.read(message, 0, 0)
                if response is not None and response.status in policy.SUCCESS:
                    message = {**message, "headers": [*response.headers]}  # they may have been there to read once
                    await self._guard.invalidate(policy.invalidated_by(request, response, self.ignored.url))
                    self.reporter.tell("invalidate", request, scope["method"], detail="hard")
            await exchange.send(message)

        scope["accelerator"] = self._owner
        scope["accelerator.tags"] = []
        token = start_listening(None)  # what is said in here is said of nothing that may be stored
        try:
            await self._app(scope, exchange.receive, send if policy.is_unsafe(scope["method"]) else exchange.send)
        finally:
            stop_listening(token)
            scope.pop("accelerator", None)
            scope.pop("accelerator.tags", None)
            self.reporter.tell("pass", request, scope["method"])


def _reason_to_forward(request: Request, found: Lookup) -> str:
    """Say why the application is asked, in the words of RFC 9211 §2.2."""
    if found.vary is None:
        return "uri-miss"
    if found.entry is None:
        return "vary-miss" if found.vary else "miss"
    return "stale" if found.entry.open_to(request) else "request"
