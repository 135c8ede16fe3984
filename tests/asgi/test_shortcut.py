"""The short way of a plain hit: what it answers, the engine answers with the same messages; it is no way around."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelerator import ASGIAccelerator, Lookup, MemoryStore, Store, cache_for, no_store, tag, vary
from accelerator.http.credentials import CREDENTIALS
from accelerator.http.request_fields import METHOD_OVERRIDE_FIELDS, ORDINARY, PARTIAL_PAGE_FIELDS, TARGET_FIELDS
from accelerator.rules.stored_fields import weak_etag
from accelerator.testing import ManualClock
from tests.counting import receive
from tests.support import BROWSER, chunk, drive, http_scope, raw, start

if TYPE_CHECKING:
    from accelerator import CacheEvent
    from accelerator.http.request import Request
    from accelerator.stores import Entry
    from tests.support import Message, Receive, Scope, Send


PLAIN = http_scope("/", headers=BROWSER)


def messages_of(answering: Any) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    drive(answering(send))
    return sent


def by_the_engine(cached: ASGIAccelerator, scope: Scope) -> list[Message]:
    return messages_of(lambda send: cached._engine.handle(scope, receive, send))


def by_the_shortcut(cached: ASGIAccelerator, scope: Scope) -> list[Message] | None:
    assert cached._shortcut is not None
    hit = cached._shortcut.answer(scope)
    if hit is None:
        return None
    *messages, count, report = hit
    count()
    if report is not None:
        report()
    return messages


class Site:
    """An application with pages of several kinds; it counts its calls, and may listen to events."""

    def __init__(self) -> None:
        self.calls = 0
        self.events: list[CacheEvent] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        kind = scope["path"].strip("/")
        tag(kind or "front")
        if kind == "never":
            no_store()
        if kind not in {"own", "cookie"}:
            varying = {"vary": ["x-a"] if kind != "turns" or self.calls % 2 else []}
            cache_for(5 if kind == "soft" else 60, **SAID.get(kind, varying if kind in {"vary", "turns"} else {}))
        lines = [("content-type", "text/html"), ("x-call", str(self.calls)), *LINES.get(kind, [])]
        await send(start(*lines, status=404 if kind == "missing" else 200))
        await send(chunk(b"%d" % self.calls if scope["method"] != "HEAD" else b""))


SAID: dict[str, Any] = {
    "soft": {"stale_if_error": 20},
    "public": {"public": True},
    "odd": {"vary": ["accept_language"]},
    "theme": {"vary": ["cookie"]},
    "proxied": {"vary": ["x_forwarded_proto"]},
}
STRONG = [("etag", '"strong"'), ("last-modified", "Sat, 01 Jan 2000 00:00:00 GMT")]
LINES = {
    "own": [("cache-control", "private")],
    "cookie": [("cache-control", "max-age=60")],
    "gzip": [("content-encoding", "gzip")],
    "odd": [("etag", "strong")],
    "unsent": [("etag", '"strong"'), ("connection", "etag")],
    "proxied": [],
    "strong": STRONG,
    "missing": STRONG,
}
KINDS = ["", "vary", "turns", "never", *dict.fromkeys([*SAID, *LINES])]
COOKIES = ["a=1", "theme=dark", "theme=light; a=1", "_ga=1", "_ga=1; theme=dark", "messages=1", "session=ada", ";"]
DATE = "Sun, 29 Nov 2026 10:00:00 GMT"
ETAGS = [
    *("*", '"strong"', 'W/"strong"', '"strong", "other"', '"other"', "strong", '"strong" ', ""),
    *(weak_etag(b"%d" % calls).decode() for calls in range(1, 5)),
    *(weak_etag(b"%d" % calls).decode().removeprefix("W/") for calls in range(1, 5)),
]
HARMLESS = st.sampled_from(sorted(name.decode() for name in ORDINARY))
NAMES = st.one_of(
    st.sampled_from([name.lower() for name in CREDENTIALS]),
    st.sampled_from(sorted(name.decode() for name in (*METHOD_OVERRIDE_FIELDS, *PARTIAL_PAGE_FIELDS, *TARGET_FIELDS))),
    st.sampled_from(
        ["host", "Host", "HOST", "cookie", "authorization", "range", "x-a", "x_a", "if-match", "upgrade", "Accept"]
    ),
    st.sampled_from(["if-none-match", "if-modified-since", "accept-encoding", "host", "content-length"]),
)
VALUES = st.sampled_from(
    ["", "1", "example.org", "example.net", " example.org\t", "gzip", "identity", "*", "bytes=0-0"]
)
FIELDS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([[], BROWSER]),
    st.sampled_from(
        [
            [("host", "example.org"), ("host", "example.org")],
            [("host", "example.org"), ("host", "example.net")],
            [("host", "\texample.org ")],
            [("if-none-match", "*")],
            [("accept-encoding", "gzip")],
            [("x-a", "1")],
        ]
    ),
    st.sampled_from([[("cookie", value)] for value in COOKIES]),
    st.sampled_from([[("if-none-match", value)] for value in ETAGS]),
    st.sampled_from([[("if-none-match", value), ("if-modified-since", DATE)] for value in ETAGS]),
    st.sampled_from([[("x-forwarded-proto", "https")], [("forwarded", "for=192.0.2.1;proto=https")]]),
    st.lists(st.tuples(HARMLESS, VALUES), max_size=3),
    st.lists(st.tuples(NAMES, VALUES), max_size=2),
)
UNUSUAL_SCOPES: list[dict[str, Any]] = [
    *({"user": "ada"}, {"user": None}, {"session": {}}, {"session": {"user": 1}}, {"state": {}}),
    *({"state": {"user": "ada"}}, {"state": {"x": 1}}, {"extensions": {"http.response.pathsend": {}}}),
    *({"extensions": {"tls": {"client_cert_name": "CN=ada"}}}, {"root_path": "/mount"}, {"scheme": "http"}),
    *({"raw_path": None}, {"raw_path": b""}, {"raw_path": b"/%76ary"}, {"query_string": b"a=1"}),
    *({"query_string": query} for query in (b"utm_a=1", b"a=1&utm_a=1", b"b=2&a=1", b"b=2&" + b"utm_a=1&" * 50)),
]
SCOPES: st.SearchStrategy[dict[str, Any]] = st.one_of(st.just({}), st.sampled_from(UNUSUAL_SCOPES))
METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "HEAD", "POST", "get"])
ASKING = st.tuples(st.just("ask"), st.sampled_from(KINDS), METHODS, FIELDS, SCOPES)
STEPS = st.lists(
    st.one_of(
        ASKING,
        ASKING,
        ASKING,
        st.tuples(st.just("invalidate"), st.sampled_from(["front", *KINDS[1:]]), st.booleans()),
        st.tuples(st.just("pass"), st.sampled_from([0.5, 4.0, 30.0, 61.0, -5.0])),
    ),
    min_size=5,
    max_size=20,
)


def compare(cached: ASGIAccelerator, scope: Scope) -> bool:
    """Ask by both ways; return whether the short one answered. If it did, the engine has to answer alike."""
    site = cached.app
    assert isinstance(site, Site)
    before, calls = dict(scope), site.calls
    site.events.clear()
    short = by_the_shortcut(cached, scope)
    assert scope == before, "the scope is left as it was"
    told = [*site.events]
    site.events.clear()
    long = by_the_engine(cached, {**scope, "headers": list(scope["headers"])})
    if short is not None:
        assert (short, told) == (long, site.events)
        assert site.calls == calls
    else:
        assert told == []
    return short is not None


def warm(cached: ASGIAccelerator, kind: str, fields: Any = BROWSER) -> None:
    """Have a page stored, and looked at once since."""
    for _ in range(2):
        by_the_engine(cached, http_scope(f"/{kind}", headers=fields))


ANY_VALUES = ("1", "*", "gzip", "bytes=0-0")
ONE_FIELD = [
    [(name, value)]
    for name in sorted(
        {
            *(name.decode() for name in (*ORDINARY, *METHOD_OVERRIDE_FIELDS, *PARTIAL_PAGE_FIELDS, *TARGET_FIELDS)),
            *(name.lower() for name in CREDENTIALS),
            *(
                "cookie",
                "authorization",
                "range",
                "x-a",
                "x_a",
                "if-match",
                "upgrade",
                "Accept",
                "HOST",
                "content-length",
            ),
        }
    )
    for value in ANY_VALUES
]
REPEATED: list[Any] = [[line] for line in BROWSER]
TWO_FIELDS: list[Any] = [
    *([("cookie", value)] for value in COOKIES),
    *([("cookie", "a=1"), ("cookie", value)] for value in COOKIES),
    *([("if-none-match", value)] for value in ETAGS),
    *([("if-none-match", value), ("if-modified-since", DATE)] for value in ETAGS),
    *([("if-none-match", '"strong"'), ("if-none-match", value)] for value in ETAGS),
    [("x-forwarded-proto", "https"), ("x-forwarded-host", "example.org")],
    [("x-forwarded-host", " example.org"), ("x-forwarded-proto", "https")],
    [("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")],
    [("forwarded", "for=192.0.2.1;proto=https"), ("cookie", "a=1")],
    [("x-forwarded-proto", "http")],
    [("accept\nrange", "bytes=0-0")],
    [("accept\ncookie", "theme=dark")],
]
OPTIONAL = ("scheme", "raw_path", "query_string", "root_path")
HOSTS = [
    [("host", one), ("host", other)] for one in ("example.org", "") for other in ("example.org", "example.net", "")
]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_one_thing_is_unusual_the_answers_are_alike(kind: str) -> None:
    site = Site()
    cached = ASGIAccelerator(site, clock=ManualClock(), on_event=site.events.append)
    plain = http_scope(f"/{kind}", headers=BROWSER)
    one_field = ONE_FIELD if kind in {"", "vary", "theme", "strong"} else ONE_FIELD[::7]
    unusual = [
        *(http_scope(f"/{kind}", headers=[*BROWSER, *fields]) for fields in (*one_field, *HOSTS, *REPEATED)),
        *(http_scope(f"/{kind}", method=method, headers=BROWSER) for method in ("HEAD", "POST", "QUERY", "get")),
        *({**plain, **more} for more in UNUSUAL_SCOPES),
        *({name: value for name, value in plain.items() if name != absent} for absent in OPTIONAL),
        *(http_scope(f"/{kind}", headers=[*BROWSER, *fields]) for fields in TWO_FIELDS),
        http_scope(f"/{kind}"),
        http_scope(f"/{kind}?a=1", headers=BROWSER),
    ]
    for scope in unusual:
        if by_the_shortcut(cached, plain) is None:
            warm(cached, kind)
        for _ in range(3):  # by the second time it may be stored, as a page of its own
            compare(cached, scope)
    warm(cached, kind)
    assert compare(cached, plain) is (kind not in {"own", "never"})


@pytest.mark.parametrize("kind", KINDS)
def test_at_whatever_age_and_after_whatever_invalidation_the_answers_are_alike(kind: str) -> None:
    for soft in (None, False, True):
        for age in (0.0, 4.9, 5.0, 5.1, 59.9, 60.0, 60.1, -3.0):
            clock, store, site = ManualClock(), MemoryStore(), Site()
            cached = ASGIAccelerator(site, store=store, clock=clock, on_event=site.events.append)
            warm(cached, kind)
            if soft is not None:
                drive(store.invalidate_tag(kind or "front", soft=soft))
            by_the_shortcut(cached, http_scope(f"/{kind}", headers=BROWSER))
            for seconds in (age, 0.5, 0.5, -0.5, 0.0):
                clock.advance(seconds)
                compare(cached, http_scope(f"/{kind}", headers=BROWSER))


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_coding_the_first_client_took_the_answers_are_alike(kind: str) -> None:
    for first in (BROWSER, [], [("accept-encoding", "identity")], [("x-a", "1")]):
        for other in (BROWSER, [], [("accept-encoding", "gzip")], [("x-a", "1")]):
            cached = ASGIAccelerator(Site(), clock=ManualClock())
            warm(cached, kind, first)
            for fields in (other, first, other):
                compare(cached, http_scope(f"/{kind}", headers=fields))


OPTIONS: list[dict[str, Any]] = [
    *({}, {}, {"cache_status": None}, {"credentials": ("x-a",)}, {"vary": ("x-a",)}, {"vary_cookies": ("theme",)}),
    *({"ignore_query": ("utm_*",)}, {"keep_query": ("b",)}, {"ignore_cookies": ("_ga",)}, {"keep_cookies": ("a",)}),
    *({"credentials": ("if-none-match",)}, {"credentials": ("if-modified-since",)}, {"unstored_fields": ("etag",)}),
    *({"cookies": "vary"}, {"renewed_cookies": ("session",)}, {"vary_cookies": ()}, {"cacheable_errors": True}),
]


@settings(max_examples=200, derandomize=True, database=None)
@given(STEPS, st.sampled_from(OPTIONS), st.booleans())
def test_whatever_happens_the_answers_are_alike(steps: list[Any], options: dict[str, Any], is_heard: bool) -> None:
    clock, store, site = ManualClock(), MemoryStore(), Site()
    listener = site.events.append if is_heard else None
    cached = ASGIAccelerator(site, store=store, clock=clock, on_event=listener, **options)
    for kind in KINDS:
        warm(cached, kind)
    for what, *arguments in steps:
        match what:
            case "pass":
                clock.advance(*arguments)
            case "invalidate":
                tag_name, soft = arguments
                drive(store.invalidate_tag(tag_name, soft=soft))
            case _:
                kind, method, fields, more = arguments
                compare(cached, {**http_scope(f"/{kind}", method=method, headers=fields), **more})


def test_a_browsers_second_request_takes_the_short_way() -> None:
    site = Site()
    cached = ASGIAccelerator(site, clock=ManualClock())
    scope = http_scope("/", headers=BROWSER)
    assert by_the_shortcut(cached, scope) is None
    first = by_the_engine(cached, dict(scope))
    second = by_the_shortcut(cached, scope)
    assert second == by_the_engine(cached, dict(scope))
    assert second is not None
    assert second[1]["body"] == first[1]["body"] == b"1"
    assert site.calls == 1


def test_messages_and_lists_are_fresh_for_each_request_since_middlewares_change_them() -> None:
    cached = warmed(MemoryStore())
    for scope in (PLAIN, {**PLAIN, "headers": [*PLAIN["headers"], (b"if-none-match", weak_etag(b"1"))]}):
        before = repr(by_the_shortcut(cached, scope))
        for _ in range(2):
            messages = by_the_shortcut(cached, scope)
            assert repr(messages) == before
            assert messages is not None
            messages[0]["headers"].clear()
            messages[0].clear()
            messages[1].clear()


def warmed(store: Any, **options: Any) -> ASGIAccelerator:
    """A cache whose next plain hit would take the short way, if it had one."""
    cached = ASGIAccelerator(Site(), store=store, clock=ManualClock(), **options)
    for _ in range(2):
        by_the_engine(cached, http_scope("/", headers=BROWSER))
    return cached


class Switch:
    """A lookup of somebody's own, in front of another class's."""

    async def lookup(self, request: Request) -> Lookup:
        return Lookup(None, 0, False, None)


class Overriding(Switch, MemoryStore):
    pass


class Proxy(Store):
    """A store around another one, with all of its attributes."""

    def __init__(self, store: MemoryStore) -> None:
        self._inner = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def lookup(self, request: Request) -> Lookup:
        return await self._inner.lookup(request)

    async def commit(self, entry: Entry) -> bool:
        return await self._inner.commit(entry)

    async def invalidate(self, tags: Any, *, soft: bool) -> None:
        await self._inner.invalidate(tags, soft=soft)


class Disguised(Proxy):
    """A proxy that says it is what it stands for, as some libraries make them."""

    @property  # type: ignore[misc]  # that is what they do
    def __class__(self) -> type:
        return MemoryStore


def test_a_lookup_of_somebodys_own_is_always_asked() -> None:
    assert by_the_shortcut(warmed(MemoryStore()), PLAIN) is not None
    patched = MemoryStore()
    patched.lookup = Switch().lookup  # type: ignore[method-assign]
    late = MemoryStore()
    caches = [warmed(store) for store in (Overriding(), patched, late)]
    late.lookup = lambda request: MemoryStore.lookup(late, request)  # type: ignore[method-assign]
    assert [by_the_shortcut(cached, PLAIN) for cached in caches] == [None] * 3
    assert warmed(Proxy(MemoryStore()))._shortcut is None
    assert warmed(Disguised(MemoryStore()))._shortcut is None


def test_a_store_that_is_patched_as_a_class_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = warmed(MemoryStore())
    monkeypatch.setattr(MemoryStore, "lookup", Switch.lookup)
    assert by_the_shortcut(cached, PLAIN) is None


def test_a_store_that_fails_to_say_what_is_ready_costs_no_request_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(MemoryStore):
        def ready_entry(self, key: Any, request: Any, selecting_values: Any) -> Any:
            raise ConnectionError("down")

    cached = warmed(Failing())
    assert [by_the_shortcut(cached, PLAIN) for _ in range(3)] == [None] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "the store names no ready entries, it is asked by lookups: ConnectionError('down')"
    ]
    unhashable = {**PLAIN, "raw_path": bytearray(b"/")}
    assert by_the_shortcut(warmed(MemoryStore()), unhashable) is None


def test_a_scope_that_was_made_of_an_environ_is_left_to_the_engine() -> None:
    cached = warmed(MemoryStore())
    assert by_the_shortcut(cached, {**PLAIN, "wsgi.environ": {"REMOTE_USER": "ada"}}) is None


@pytest.mark.parametrize(
    "options",
    [
        {"partition": lambda _: ""},
        {"enabled": False},
        {"obey_request_directives": True},
        {"credentials": ("Host",)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_where_an_option_changes_keys_or_decisions_there_is_no_short_way(options: dict[str, Any]) -> None:
    assert ASGIAccelerator(Site(), **options)._shortcut is None


@pytest.mark.parametrize(
    ("lines", "is_short"),
    [
        ([("host", "example.org")], True),
        ([("host", " example.org\t")], True),
        ([("host", "example.org"), ("host", "example.org")], False),
        ([("host", "example.org"), ("Host", "example.net")], False),
        ([("Host", "example.org")], False),
        ([("dnt\nwidth", "1"), ("host", "example.net"), ("accept", "example.org")], False),
        ([("host", "example.net")], False),
        ([], False),
    ],
)
def test_the_short_way_needs_one_plain_host(lines: list[tuple[str, str]], is_short: bool) -> None:
    scope = {**http_scope("/"), "headers": raw(lines)}
    assert (by_the_shortcut(warmed(MemoryStore()), scope) is not None) is is_short


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("cookie", "a=1")],
        [("cookie", "a=1"), ("x-forwarded-proto", "https")],
        [("x-forwarded-proto", "https"), ("x-forwarded-host", "example.net")],
        [("x-forwarded-host", " example.net\t"), ("forwarded", "for=192.0.2.1")],
        [("if-none-match", '"strong"')],
        [("if-none-match", 'W/"strong"'), ("if-modified-since", DATE)],
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["", "?a=1", "?utm_a=1", "?" + "&".join(["utm_a=1"] * 40)])
def test_what_browsers_and_proxies_send_takes_the_short_way(fields: Any, method: str, query: str) -> None:
    site = Site()
    cached = ASGIAccelerator(site, clock=ManualClock(), on_event=site.events.append, ignore_query=("utm_*",))
    plain = [line for line in fields if line[0] != "if-none-match"]
    for _ in range(2):
        by_the_engine(cached, http_scope(f"/strong{query}", headers=[*BROWSER, *plain]))
    assert compare(cached, http_scope(f"/strong{query}", method=method, headers=[*BROWSER, *fields]))


@pytest.mark.parametrize(
    "fields",
    [
        [("cookie", "a=1"), ("cookie", "b=1")],
        [("cookie", "messages=1")],
        [("if-none-match", '"strong", "other"')],
        [("if-modified-since", DATE)],
        [("range", "bytes=0-0")],
        [("authorization", "Basic YTpi")],
        [("x-api-key", "1")],
        [("x_a", "1")],
        [("x-unknown-to-all", "1")],
        [("accept\ncookie", "theme=dark")],
    ],
)
def test_what_asks_for_more_than_a_plain_hit_takes_the_long_way(fields: Any) -> None:
    cached = ASGIAccelerator(Site(), clock=ManualClock())
    scope = http_scope("/strong", headers=[*BROWSER, *fields])
    for _ in range(3):
        by_the_engine(cached, scope)
    assert by_the_shortcut(cached, scope) is None


def test_the_first_line_may_select_a_variant_like_any_other() -> None:
    cached = ASGIAccelerator(Site(), clock=ManualClock())
    scopes = [http_scope("/proxied", headers=BROWSER) for _ in range(2)]
    for scope, scheme in zip(scopes, (b"https", b"http"), strict=True):
        scope["headers"].insert(0, (b"x-forwarded-proto", scheme))
    for scope in scopes * 2:
        by_the_engine(cached, scope)
    assert [compare(cached, scope) for scope in scopes] == [True, True]


def test_lines_that_can_be_read_once_only_are_left_to_the_engine() -> None:
    cached = warmed(MemoryStore(), ignore_query=("utm_*",))
    for lines in (iter(PLAIN["headers"]), dict(PLAIN["headers"]).items()):
        scope = {**PLAIN, "headers": lines}
        assert by_the_shortcut(cached, scope) is None
        assert [*scope["headers"]] == PLAIN["headers"]


def test_a_target_of_another_type_is_left_to_the_engine() -> None:
    cached = warmed(MemoryStore(), ignore_query=("utm_*",))
    assert by_the_shortcut(cached, {**PLAIN, "query_string": bytearray(b"a=1")}) is None


def test_where_cookies_are_ignored_a_request_with_some_is_left_to_the_engine() -> None:
    store, clock = MemoryStore(), ManualClock()
    one = ASGIAccelerator(Site(), store=store, clock=clock)
    warm(one, "theme", [*BROWSER, ("cookie", "_ga=1")])
    other = ASGIAccelerator(Site(), store=store, clock=clock, ignore_cookies=("_ga",))
    scope = http_scope("/theme", headers=[*BROWSER, ("cookie", "_ga=1")])
    assert compare(one, scope)
    assert not compare(other, scope)


def test_the_event_of_a_plain_hit_comes_after_its_messages_and_not_without_them() -> None:
    site = Site()
    cached = warmed(MemoryStore(), on_event=site.events.append)
    site.events.clear()
    seen: list[Any] = []

    async def send(message: Message) -> None:
        seen.append((message["type"], len(site.events)))
        if fails and message["type"] == "http.response.body":
            raise OSError("gone")

    fails = True
    with pytest.raises(OSError, match="gone"):
        drive(cached(PLAIN, receive, send))
    assert site.events == []
    fails = False
    drive(cached(PLAIN, receive, send))
    assert seen == [("http.response.start", 0), ("http.response.body", 0)] * 2
    assert [event.kind for event in site.events] == ["hit"]


def test_what_is_long_is_not_kept_for_events() -> None:
    site = Site()
    cached = ASGIAccelerator(site, clock=ManualClock(), on_event=site.events.append)
    path = "/" + "x" * 300
    for _ in range(2):
        by_the_engine(cached, http_scope(path, headers=BROWSER))
    for _ in range(2):
        assert compare(cached, http_scope(path, headers=BROWSER))


def test_an_empty_session_is_nobodys_and_takes_the_short_way() -> None:
    cached = warmed(MemoryStore())
    assert compare(cached, {**PLAIN, "session": {}})
    assert not compare(cached, {**PLAIN, "session": {"user": "ada"}})


def test_whatever_clients_send_few_and_short_queries_are_remembered() -> None:
    cached = ASGIAccelerator(Site(), clock=ManualClock(), ignore_query=("utm_*",))
    for number in range(2000):
        by_the_shortcut(cached, http_scope(f"/?a={number}", headers=BROWSER))
    remembered = cached._engine.ignored._kept_of_short_query.cache_info()
    assert remembered.currsize == 1024
    by_the_shortcut(cached, http_scope("/?" + "a" * 257, headers=BROWSER))
    assert cached._engine.ignored._kept_of_short_query.cache_info() == remembered


def test_two_accelerators_with_one_store_do_not_send_each_others_lines() -> None:
    store, clock = MemoryStore(), ManualClock()
    one, other = (ASGIAccelerator(Site(), store=store, clock=clock, cache_status=name) for name in ("one", "other"))
    warm(one, "")
    for _ in range(2):
        for cached, name in ((one, "one"), (other, "other")):
            assert compare(cached, PLAIN)
            messages = by_the_shortcut(cached, PLAIN)
            assert messages is not None
            assert (b"cache-status", b"%b; hit; ttl=60" % name.encode()) in messages[0]["headers"]


def test_variants_take_the_short_way_and_answers_for_some_codings_only_the_long_one() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cache_for(60)
        if scope["path"] == "/vary":
            vary("x-a")
        await send(start())
        await send(chunk(b"x"))

    cached = ASGIAccelerator(app, clock=ManualClock())
    for path, fields in (("/vary", BROWSER), ("/plain", []), ("/coded", BROWSER)):
        for _ in range(2):
            by_the_engine(cached, http_scope(path, headers=fields))
        assert (by_the_shortcut(cached, http_scope(path, headers=fields)) is not None) is (path != "/plain")
