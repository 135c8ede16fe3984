"""One request, top to bottom: look up, decide, serve or fill."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, assert_never

from accelerator.engine import question
from accelerator.engine.bypass import Bypass, Changes
from accelerator.engine.exchange import Exchange
from accelerator.engine.fill import CopyBudget, Fill
from accelerator.engine.flight import ROUNDS, Flights, Patience, place_of
from accelerator.engine.guard import LOOKUP_FAILED, Guard
from accelerator.engine.partition import partition_of
from accelerator.engine.refresh import Refreshes
from accelerator.engine.report import Reporter
from accelerator.engine.respond import respond, respond_unavailable
from accelerator.http.ignored import Ignored
from accelerator.http.request import CONDITIONS, Request, RequestRules
from accelerator.rules import freshness, reuse, validation
from accelerator.rules.reuse import Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.asgi_types import Application, Receive, Scope, Send
    from accelerator.engine.flight import Flight
    from accelerator.engine.runtime import Runtime
    from accelerator.events import EventKind
    from accelerator.options import Options
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup, Store

logger = logging.getLogger("accelerator")


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
        self._flights = Flights(runtime, options.clock)
        self._refreshes = Refreshes(self._guard, self._flights, runtime, options.clock, self._fill)
        self.ignored = Ignored(options.ignore_query, options.ignore_cookies, options.keep_query, options.keep_cookies)
        self._reading = RequestRules(
            options.credentials, options.vary_cookies, options.renewed_cookies, options.cacheable_posts
        )
        self._questions = question.Questions()
        self.reporter = Reporter(options)
        self.reporter.warn_of_credentials(options.credentials)
        self._changes = Changes(self._guard, self.reporter, self.ignored.url)
        self._budget = CopyBudget()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        options = self._options
        partition = "" if options.partition is None else partition_of(options.partition, scope, self.reporter)
        request = Request(self.ignored.scope(scope), partition or "", self._reading)
        exchange = Exchange(request, scope, receive, send)
        is_open = partition is not None and options.enabled
        if request.is_bypass and is_open and self._questions.may_be(request):
            exchange = await question.read(exchange)
        if is_open and not exchange.request.is_bypass:
            await self._answer(exchange)
        else:
            await self._pass(exchange, "bypass" if request.method in {"GET", "HEAD"} else "method")

    async def _answer(self, exchange: Exchange) -> None:
        """Serve, fill, or wait for another fill and look up again (RFC 9111 §4)."""
        request = exchange.request
        asked = reuse.request_directives(request) if self._options.obey_request_directives else None
        patience = Patience(ROUNDS if self._options.coalesce and reuse.accepts_collapsed(asked) else 0)
        may_look_again = True
        while True:
            landings = self._flights.landings
            found = await self._guard.look_up(request)
            if found is None:
                fwd, stale, detail = "miss", None, LOOKUP_FAILED
                break
            now = self._options.clock()
            decision = reuse.decide(request, found.entry, found.invalidated, now, asked)
            match decision:
                case Decision.HIT | Decision.STALE:
                    if decision is Decision.HIT or not await self._refreshes.answer(exchange, found):
                        await self._serve(exchange, found, decision, now)
                    return None
                case Decision.FILL | Decision.VALIDATE:
                    flight = await self._flights.join_or_lead(place_of(request, found), patience)
                    if flight is None:
                        exchange.collapsed = True
                    elif may_look_again and self._flights.has_landed_since(flight.place, since=landings):
                        may_look_again = False  # what this lookup missed may have been stored right after it
                        flight.land()
                    else:
                        await self._fill(exchange, found, decision, flight)
                        return None
                case Decision.PASS:
                    stale = validation.freshenable_by_head(request, found.entry, asked)
                    fwd, detail = _reason_to_forward(request, found, now), ""
                    break
                case Decision.UNAVAILABLE:
                    await respond_unavailable(self.reporter.line('detail="only-if-cached"'), exchange.send)
                    return self.reporter.tell("miss", request, detail="only-if-cached")
                case _:
                    assert_never(decision)
        with exchange.shown_as(request.lines()):  # as it would be if this could be stored
            return await self._pass(exchange, fwd, stale, detail)

    async def _serve(self, exchange: Exchange, found: Lookup, decision: Decision, now: float) -> None:
        """Answer from the store."""
        entry = found.entry
        assert entry is not None  # noqa: S101 - it was decided to serve it
        age = freshness.age(entry, now)
        ttl = 0 if found.invalidated and age < entry.lifetime else entry.lifetime - age
        line = self.reporter.line(
            *(("fwd=miss", "collapsed") if exchange.collapsed else ("hit",)), f"ttl={int(ttl // 1)}"
        )
        await respond(exchange.request, entry, age, line, exchange.send)
        kind: EventKind = "hit" if decision is Decision.HIT else "stale"
        self.reporter.tell(kind, exchange.request, entry, age=age, ttl=ttl, collapsed=exchange.collapsed)

    # --- calling the application --------------------------------------------------------------------------------------

    async def _fill(
        self,
        exchange: Exchange,
        found: Lookup,
        decision: Decision,
        flight: Flight,
        hides: Callable[[Entry, float], bool] = reuse.serves_on_error,
    ) -> Fill:
        """Call the application and keep its answer if it may be kept; the flight lands once it is, or cannot be."""

        async def commit(entry: Entry) -> str:
            reason = await self._guard.commit(entry)
            flight.land()
            return reason

        def judge(storable: bool) -> None:
            self._flights.judge(flight.place, storable=storable)
            if not storable:
                flight.land()

        def tell(fill: Fill) -> None:
            if not fill.wants_retry:
                detail = "stored" if fill.stored else fill.reason
                ttl = fill.entry.lifetime if fill.entry is not None and fill.stored else None
                self.reporter.tell(fill.kind, exchange.request, fill.entry, detail=detail, ttl=ttl)

        self.reporter.warn_of_order(exchange.request)
        stale = found.entry if flight.place.is_stored else None
        fill_for = partial(
            Fill,
            found=found,
            stale=stale,
            hides=hides,
            fwd=_reason_to_forward(exchange.request, found, self._options.clock()),
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
            await self._call(exchange, fill, validation.conditions(stale) if stale and fill.is_validation else [])
            if fill.wants_retry and not fill.answered_stale:
                exchange = exchange.again()
                fill = fill_for(exchange)
                fill.is_known_storable = True
                await self._call(exchange, fill, [])
            if fill.must_drop:
                await self._guard.invalidate([exchange.request.url_tag])
            return fill
        finally:
            flight.land()

    async def _call(self, exchange: Exchange, fill: Fill, conditions: list[tuple[bytes, bytes]]) -> None:
        """Call the application with the cache's conditions in place of the client's (RFC 9111 §4.3.1)."""
        scope = exchange.scope
        headers = [line for line in exchange.request.lines() if line[0] not in CONDITIONS] + conditions
        send = self._changes.watching(exchange.request, fill.notes, fill.send)
        try:
            with exchange.noted_in(fill.notes, self._owner), exchange.shown_as(headers):
                await self._app(scope, fill.receive, send)
        except Exception:
            if not await fill.rescue():
                await fill.finish()
                raise
            logger.exception("the application failed, a stale response was served: %r", exchange.request.url)
        await fill.finish()

    async def _pass(self, exchange: Exchange, fwd: str, stale: Entry | None = None, detail: str = "") -> None:
        """Call the application for an answer that is not stored; with `stale` if it may speak of what is."""
        bypass = Bypass(exchange, stale, fwd, detail, self._options, self.reporter, self._guard, self._changes)
        try:
            with exchange.noted_in(bypass.notes, self._owner):
                await self._app(exchange.scope, exchange.receive, bypass.send)
        finally:
            self._questions.learn(exchange.request, bypass.notes)
            self.reporter.tell("pass", exchange.request, detail=detail)


def _reason_to_forward(request: Request, found: Lookup, now: float) -> str:
    """Say why the application is asked, in the words of RFC 9211 §2.2."""
    if found.vary is None:
        return "uri-miss"
    if found.entry is None:
        return "vary-miss" if found.vary else "miss"
    is_fresh = not found.invalidated and freshness.age(found.entry, now) < found.entry.lifetime
    return "request" if is_fresh or not found.entry.may_answer(request) else "stale"
