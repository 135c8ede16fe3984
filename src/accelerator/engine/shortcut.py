"""The short way of a plain hit. What it answers, the engine would answer with the same bytes; the rest it leaves.

A hit is plain if the store has at hand an entry that is usable and fresh, and nothing in the request asks for more than
that entry, one of its variants, or a 304. Then no lookup, decision or exchange is needed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from accelerator.engine.prepared import PreparedHit
from accelerator.http.fields import BLANKS
from accelerator.http.identity import is_bare, of_scope
from accelerator.http.request import field_named, joined_key_fields, selecting_value
from accelerator.http.shape import Shapes, name_of_line
from accelerator.rules.freshness import age
from accelerator.rules.sent_tags import tag_lines
from accelerator.stores.protocol import KnowsReadyEntries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from accelerator.asgi_types import Message, Scope
    from accelerator.engine.services import Services
    from accelerator.http.fields import HeaderList
    from accelerator.http.ignored import Ignored
    from accelerator.http.request import RequestRules, Vary
    from accelerator.http.shape import Shape
    from accelerator.stores.protocol import ReadyEntry, Store

MAX_KEPT_TAG_LINES: Final = 256
"""If more bytes of tags are sent the engine writes them for each hit. Kept, they would exceed `sizes.READY_BYTES`."""

PlainHit: TypeAlias = "tuple[Message, Message, Callable[[], None], Callable[[], None] | None, Mapping[str, object]]"
"""An answer: its two messages, what counts it before they are sent, what reports it before the second one if somebody
listens, and what the scope is to have for middlewares outside."""


class Shortcut:
    """Answers plain hits without the engine.

    Args:
        store: the store.
        rules: how requests are read.
        ignored: removes the query parameters that the options ignore.
        services: what all requests of the accelerator share.
    """

    def __init__(self, store: KnowsReadyEntries, rules: RequestRules, ignored: Ignored, services: Services) -> None:
        self._ready_entry = store.ready_entry
        self._clock = services.options.clock
        self._send_tags = services.options.send_tags
        self._rules = rules
        self._shapes = Shapes(rules)
        self._ignored = ignored
        self._reporter = services.reporter
        self._routes = services.routes

    @classmethod
    def of(cls, store: Store, rules: RequestRules, ignored: Ignored, services: Services) -> Shortcut | None:
        """Return the shortcut, None where the store names no entries, or an option changes keys or decisions."""
        options = services.options
        is_plain = (
            b"host" in rules.ordinary
            and options.enabled
            and options.partition is None
            and not options.obey_request_directives
            and options.debug is not True
        )
        # by its type: a proxy may have an attribute of that name, and a lookup of its own
        if not is_plain or not isinstance(store, KnowsReadyEntries) or KnowsReadyEntries not in type(store).__mro__:
            return None
        return cls(store, rules, ignored, services)

    def answer(self, scope: Scope) -> PlainHit | None:
        """Return the answer to a plain hit, None for any other request. The scope is left as it is."""
        method, lines = scope["method"], scope["headers"]
        if method not in {"GET", "HEAD"} or type(lines) is not list:  # iterators are for one reader: the engine
            return None
        shape = self._shapes[b"\n".join(map(name_of_line, lines))]
        if shape is None or shape.length != len(lines):
            return None
        ready = self._ready(scope, lines, shape)
        if ready is None or not (is_bare(scope) or _is_anonymous(scope)):
            return None
        if shape.cookie is not None and not (ready.entry.for_cookies and self._are_plain(lines[shape.cookie][1])):
            return None
        now, prepared = self._clock(), ready.prepared
        if prepared is None or not prepared.since <= now <= prepared.until or prepared.reporter is not self._reporter:
            prepared = self._prepare(ready, now, scope)
        if prepared is None:
            return None
        condition = None if shape.if_none_match is None else lines[shape.if_none_match][1]
        headers = prepared.headers if condition is None else prepared.not_modified(condition)
        if headers is None:
            return None
        tally = prepared.tally
        if condition is None:
            status, body, count = ready.entry.status, ready.entry.body, tally.whole
        else:
            status, body, count = 304, b"", tally.unchanged
        if method != "GET":
            body, count = b"", tally.head
        # a list and messages of its own for each request: middlewares change them
        return (
            {"type": "http.response.start", "status": status, "headers": headers.copy()},
            {"type": "http.response.body", "body": body},
            count,
            partial(prepared.report, method, now) if self._reporter.is_heard else None,
            prepared.shown,
        )

    def _ready(self, scope: Scope, lines: HeaderList, shape: Shape) -> ReadyEntry | None:
        """Return what the store has at hand for a request."""
        host = lines[shape.host][1].strip(BLANKS)
        key_fields = self._key_fields(lines, shape) if shape.key_fields else b""
        try:
            query = scope["query_string"]
            if query:
                query = self._ignored.query(query)
            target = host, scope["raw_path"], scope["path"], query, scope["root_path"]
            key = scope["scheme"], *target, "", key_fields
        except (KeyError, TypeError):  # a server leaves something out, or gives it another type: the engine knows
            return None
        try:
            return self._ready_entry(key, (lines, shape), self._selecting_values)
        except Exception as error:  # noqa: BLE001 - a store may raise anything, and costs no request by it
            words = "the store names no ready entries, it is asked by lookups: %r"
            self._reporter.warn_once("ready entries", words, error)
            return None

    def _selecting_values(self, request: tuple[HeaderList, Shape], vary: Vary) -> tuple[bytes | None, ...]:
        lines, shape = request
        values = []
        for name in vary:
            place = field_named(name, shape.places)
            values.append(selecting_value(name, None if place is None else lines[place][1], self._rules))
        return tuple(values)

    def _key_fields(self, lines: HeaderList, shape: Shape) -> bytes:
        """Return the fields that are part of the key as one text."""
        return joined_key_fields([(lines[place][0], lines[place][1].strip(BLANKS)) for place in shape.key_fields])

    def _are_plain(self, cookies: bytes) -> bool:
        """Tell whether no cookie is ignored, or part of the key."""
        return not (self._ignored.has_cookies or self._rules.key_cookies(cookies))

    def _prepare(self, ready: ReadyEntry, now: float, scope: Scope) -> PreparedHit | None:
        """Prepare the answers of an entry, None if it is not fresh, not for all codings, or sends too many tags."""
        entry = ready.entry
        if not entry.for_codings or age(entry, now) >= entry.lifetime:
            return None
        sent = tag_lines(entry.tags, self._send_tags) if self._send_tags else ()
        if sum([len(line) for _, line in sent]) > MAX_KEPT_TAG_LINES:
            return None
        prepared = PreparedHit(entry, now, self._reporter, self._routes.shown(entry.route, scope), sent)
        ready.keep(prepared)
        return prepared


def _is_anonymous(scope: Scope) -> bool:
    """Tell whether nothing around a request tells who asks, and no environ has to be read instead."""
    return not (of_scope(scope) or "wsgi.environ" in scope)
