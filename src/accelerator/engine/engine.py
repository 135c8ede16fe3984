"""The path of one request through the cache.

A hit goes through `handle`, `_answer` and `_serve`: they read the request, look up its entry, decide whether that entry
answers it, and send the response. All other requests go on to a fill, a refresh or a bypass.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

from accelerator.engine import question
from accelerator.engine.budget import CopyBudget
from accelerator.engine.bypass import Bypass, Reason
from accelerator.engine.debugging import Debugging
from accelerator.engine.exchange import Exchange
from accelerator.engine.filling import Filler
from accelerator.engine.flight import ROUNDS, Flights, Patience, place_of
from accelerator.engine.guard import LOOKUP_FAILED, Guard
from accelerator.engine.invalidations import Invalidations
from accelerator.engine.partition import partition_of
from accelerator.engine.refresh import Refreshes
from accelerator.engine.report import Reporter, reason_to_forward
from accelerator.engine.route import Routes
from accelerator.engine.services import Services
from accelerator.engine.shortcut import Shortcut
from accelerator.engine.turns import Turns
from accelerator.engine.upstream import Upstream
from accelerator.figures.invalidations import InvalidationCounts
from accelerator.figures.snapshot import StoreFigures
from accelerator.http.ignored import Ignored
from accelerator.http.request import Request, RequestRules
from accelerator.rules.answer import answer_from
from accelerator.rules.freshness import age
from accelerator.rules.reuse import Decision, accepts_collapsed, decide, request_directives
from accelerator.rules.validation import freshenable_by_head
from accelerator.stores.protocol import KnowsFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from accelerator.asgi_types import Application, Receive, Scope, Send
    from accelerator.engine.reasoning import Reasoning
    from accelerator.engine.runtime import Runtime
    from accelerator.events import CacheEvent, EventKind
    from accelerator.figures.snapshot import Figures
    from accelerator.http.fields import HeaderList
    from accelerator.options import Options
    from accelerator.stores.protocol import Lookup, Store

_TWO_STORES: Final = (
    "another accelerator further out answers in place of this one, and from another store: what is taken back in the"
    " store of this one is not taken back there. Leave one of them out, or give both the same store."
)


class Engine:
    """The cache in front of an application.

    Args:
        app: the ASGI application.
        store: the store of the entries.
        options: the options of the middleware.
        owner: the object that the application finds in its scope as `accelerator`.
        runtime: how to wait for a signal, and to run work beside a request: on an event loop, or in threads.

    Attributes:
        handle: answers one HTTP request.
        ignored: removes the query parameters and cookies that the options ignore.
        shortcut: the short way of plain hits, None where the options leave none.
        invalidations: the invalidations that the middleware offers to the application.
        counts: what it has counted.
    """

    def __init__(self, app: Application, store: Store, options: Options, owner: object, runtime: Runtime) -> None:
        self._options = options
        self._store = Guard(store)
        self._flights = Flights(runtime, options.clock)
        self._reporter = Reporter(options)
        leases = self._store.leases
        self._turns = Turns(self._store, leases, runtime) if leases is not None else None
        self._routes = Routes(app)
        shared = CopyBudget(), self._reporter, self._routes
        self._services = Services(options, self._store, self._flights, self._turns, *shared)
        self._rules = RequestRules(
            options.credentials, options.vary_cookies, options.renewed_cookies, options.cacheable_posts
        )
        self._questions = question.Questions()
        self._upstream = Upstream(app, owner)
        self.counts = self._reporter.counts
        self.ignored = Ignored(options.ignore_query, options.ignore_cookies, options.keep_query, options.keep_cookies)
        self.handle: Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]] = self._handle
        if options.debug:
            self.handle = partial(Debugging(options, self.ignored, self._reporter).answer, self._handle)
        self.shortcut = Shortcut.of(store, self._rules, self.ignored, self._services)
        self.invalidations = Invalidations(store, self.ignored, self._services)
        self._filler = Filler(self._upstream, self._services, self.invalidations)
        self._refreshes = Refreshes(self._filler, self._services, runtime)

    def warn_of_another_store(self) -> None:
        """Warn once that an accelerator further out, which answers in place of this one, has another store."""
        self._reporter.warn_once("another store", _TWO_STORES)

    def listen(self, listener: Callable[[CacheEvent], None]) -> None:
        """Call a function with each event from now on, besides the option `on_event`."""
        self._reporter.listen(listener)

    def figures(self, store: Store) -> Figures:
        """Return what was counted in this process.

        Args:
            store: the store as it was given to the middleware.
        """
        known, invalidations = StoreFigures(kind=type(store).__name__, shared=False), InvalidationCounts().as_figures()
        if isinstance(store, KnowsFigures):
            known, invalidations = store.store_figures(), store.invalidation_figures()
        return self.counts.figures({**known, "errors": self._store.all_errors}, invalidations)

    async def _handle(self, scope: Scope, receive: Receive, send: Send, reasoning: Reasoning | None = None) -> None:
        """Answer one HTTP request, and tell what takes it the reasoning."""
        options = self._options
        partition = "" if options.partition is None else partition_of(options.partition, scope, self._reporter)
        request = Request(self.ignored.scope(scope), partition or "", self._rules)
        exchange = Exchange(request, scope, receive, send, reasoning=reasoning)
        is_open = partition is not None and options.enabled
        if request.is_bypass and is_open and self._questions.may_be(request):  # a QUERY, or a POST that only asks
            exchange = await question.read(exchange)
        if reasoning is not None:
            reasoning.read(exchange.request, partition)
        if is_open and not exchange.request.is_bypass:
            await self._answer(exchange)
        else:
            await self._bypass(exchange, Reason("bypass" if request.method in {"GET", "HEAD"} else "method"))

    async def _answer(self, exchange: Exchange) -> None:
        """Answer from the store if an entry may be used, else by a fill, a refresh or a bypass.

        A request that has waited for the fill of another one looks up again: the new entry may not be for it, or may be
        invalidated already.
        """
        request, options = exchange.request, self._options
        asked = request_directives(request) if options.obey_request_directives else None
        patience = Patience(ROUNDS if options.coalesce and accepts_collapsed(asked) else 0)
        while True:
            landings = self._flights.landings  # read before the lookup: a fill that ends after it is noticed
            found = await self._store.look_up(request)
            if found is None:
                return await self._forward(exchange, Reason("miss", LOOKUP_FAILED))
            now = options.clock()
            decision = decide(request, found.entry, found.invalidated, now, asked)
            if exchange.reasoning is not None:
                exchange.reasoning.decided(found, decision, now, is_asked=asked is not None)
            match decision:
                case Decision.HIT:
                    return await self._serve(exchange, found, now, patience, "hit")
                case Decision.STALE:
                    return await self._serve_stale(exchange, found, now, patience)
                case Decision.FILL | Decision.VALIDATE:
                    flight = await self._flights.join_or_lead(place_of(request, found), patience, landings)
                    turns = self._turns  # without them, it may fill from what was found
                    if flight is not None and (
                        turn := found if turns is None else await turns.take(request, found, flight, patience)
                    ):
                        await self._filler.fill(exchange, turn, decision, flight)
                        return None
                case Decision.PASS:
                    freshens = freshenable_by_head(request, found.entry, asked)
                    fwd = reason_to_forward(request, found, now)
                    return await self._forward(exchange, Reason(fwd, freshens=freshens))
                case Decision.UNAVAILABLE:
                    return await self._answer_504(exchange)
                case _:
                    assert_never(decision)

    async def _serve_stale(self, exchange: Exchange, found: Lookup, now: float, patience: Patience) -> None:
        """Send a stale response while it is refreshed, unless the refresh answers the request itself."""
        if not await self._refreshes.answer(exchange, found):
            await self._serve(exchange, found, now, patience, "stale")

    async def _serve(self, exchange: Exchange, found: Lookup, now: float, patience: Patience, kind: EventKind) -> None:
        """Send a stored response: the whole, a range of it, or a 304 (RFC 9111 §4.3.2, RFC 9110 §14.2)."""
        entry = found.entry
        assert entry is not None  # noqa: S101 - `decide` serves only what was found
        if exchange.reasoning is not None:
            exchange.reasoning.served(kind, entry, collapsed=patience.has_waited)
        current_age = age(entry, now)
        # a soft invalidation ends freshness before its time
        ttl = 0 if found.invalidated and current_age < entry.lifetime else entry.lifetime - current_age
        how = ("fwd=miss", "collapsed") if patience.has_waited else ("hit",)  # RFC 9211 §2.2, §2.6
        member = self._reporter.status_with_ttl(ttl, *how)
        answer = answer_from(entry, exchange.request, current_age, member, self._options.send_tags)
        self._routes.show(entry.route, exchange.scope)
        times = {"age": current_age, "ttl": ttl}
        sent = len(answer.body)
        # before the client can make it wait, or leave
        self._reporter.answered_from_store(kind, exchange.request, entry, sent, **times, collapsed=patience.has_waited)
        await exchange.send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await exchange.send({"type": "http.response.body", "body": answer.body})

    # --- requests that are not answered from the store ----------------------------------------------------------------

    async def _answer_504(self, exchange: Exchange) -> None:
        """Answer 504 to `only-if-cached`, because no entry may be used (RFC 9111 §5.2.1.7)."""
        if exchange.reasoning is not None:
            exchange.reasoning.unavailable("only-if-cached")
        line = self._reporter.cache_status('detail="only-if-cached"')
        lines = [(b"content-length", b"0"), *([] if line is None else [(b"cache-status", line)])]
        self._reporter.forwarded("miss", exchange.request, "", detail="only-if-cached")
        await exchange.send({"type": "http.response.start", "status": 504, "headers": lines})
        await exchange.send({"type": "http.response.body", "body": b""})

    async def _forward(self, exchange: Exchange, reason: Reason) -> None:
        """Forward a request without storing its response. The application gets the same header lines as in a fill."""
        await self._bypass(exchange, reason, exchange.request.lines())

    async def _bypass(self, exchange: Exchange, reason: Reason, headers: HeaderList | None = None) -> None:
        """Call the application, and pass its response on without storing it."""
        bypass = Bypass(exchange, reason, self._services, self.invalidations)
        try:
            await self._upstream.call(exchange, bypass.notes, exchange.receive, bypass.send, headers)
        finally:
            self._questions.learn(exchange.request, bypass.notes)
            bypass.report()
