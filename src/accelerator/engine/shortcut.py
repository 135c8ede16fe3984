"""The short way of a plain hit. What it answers, the engine would answer with the same bytes; the rest it leaves.

A hit is plain if the request has only fields that at most select a variant, and a lookup has found the entry usable and
fresh since the last invalidation. Then no lookup, decision or exchange is needed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from accelerator.http.fields import BLANKS
from accelerator.http.identity import of_scope
from accelerator.http.request import CONDITIONS, joined, selecting_values
from accelerator.rules.freshness import age
from accelerator.stores.protocol import KnowsReadyEntries

if TYPE_CHECKING:
    from accelerator.asgi_types import Message, Scope
    from accelerator.engine.report import Reporter
    from accelerator.http.request import RequestRules
    from accelerator.options import Options
    from accelerator.stores.protocol import Store

_TTLS: Final = 1024
"""The number of texts of Cache-Status that are remembered, one for each remaining lifetime in seconds."""


class Shortcut:
    """Answers plain hits without the engine.

    Args:
        store: the store.
        rules: how requests are read.
        options: the options.
        reporter: what says Cache-Status, and that the store fails.
    """

    def __init__(self, store: KnowsReadyEntries, rules: RequestRules, options: Options, reporter: Reporter) -> None:
        self._ready_entry = store.ready_entry
        self._clock = options.clock
        self._rules = rules
        self._harmless = rules.ordinary.difference(CONDITIONS, {b"host"})
        self._warn_once = reporter.warn_once
        self._member = lru_cache(_TTLS)(lambda ttl: reporter.cache_status("hit", f"ttl={ttl}"))

    @classmethod
    def of(cls, store: Store, rules: RequestRules, options: Options, reporter: Reporter) -> Shortcut | None:
        """Return the shortcut, None where the store names no entries, or an option changes key, decision or report."""
        is_plain = (
            b"host" in rules.ordinary
            and options.enabled
            and options.partition is None
            and options.on_event is None
            and not options.obey_request_directives
            and not (options.ignore_query or options.ignore_cookies)
            and options.keep_query is None
            and options.keep_cookies is None
        )
        # by its type: a proxy may have an attribute of that name, and a lookup of its own
        if not is_plain or not isinstance(store, KnowsReadyEntries) or KnowsReadyEntries not in type(store).__mro__:
            return None
        return cls(store, rules, options, reporter)

    def answer(self, scope: Scope) -> tuple[Message, Message] | None:
        """Return the two messages of a plain hit, None for any other request. The scope is left as it is."""
        method = scope["method"]
        if method not in {"GET", "HEAD"}:
            return None
        lines, get = scope["headers"], scope.get
        host, raw_path, harmless = None, get("raw_path"), self._harmless
        for name, value in lines:
            if name in harmless:
                continue
            if name != b"host" or host is not None:
                return None
            host = value
        if host is None or not raw_path or "wsgi.environ" in scope:
            return None
        target = (raw_path, scope["path"], get("query_string", b""), get("root_path", ""))
        key = (get("scheme", "http"), host.strip(BLANKS), *target, "", b"")
        try:
            entry = self._ready_entry(key, lambda vary: selecting_values(joined(lines), vary, self._rules))
        except Exception as error:  # noqa: BLE001 - a store may raise anything, and costs no request by it
            self._warn_once("ready entries", "the store names no ready entries, it is asked by lookups: %r", error)
            return None
        if entry is None or not entry.for_codings or of_scope(scope):
            return None
        current_age = age(entry, self._clock())
        ttl = entry.lifetime - current_age
        if ttl <= 0:
            return None
        # lists and messages of its own for each request: middlewares change them
        lines = [*entry.headers, *entry.added, (b"age", b"%d" % current_age)]
        if (member := self._member(int(ttl))) is not None:
            lines.append((b"cache-status", member))
        body = entry.body if method == "GET" else b""
        return (
            {"type": "http.response.start", "status": entry.status, "headers": lines},
            {"type": "http.response.body", "body": body},
        )
