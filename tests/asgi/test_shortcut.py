"""The short way of a plain hit: what it answers, the engine answers with the same messages; it is no way around."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelerator import ASGIAccelerator, Lookup, MemoryStore, Store, cache_for, no_store, tag, vary
from accelerator.http.credentials import CREDENTIALS
from accelerator.http.request_fields import METHOD_OVERRIDE_FIELDS, ORDINARY, PARTIAL_PAGE_FIELDS, TARGET_FIELDS
from accelerator.testing import ManualClock
from tests.support import BROWSER, app_saying, ask, chunk, drive, http_scope, raw, start

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
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    return messages_of(lambda send: cached._engine.handle(scope, receive, send))


def by_the_shortcut(cached: ASGIAccelerator, scope: Scope) -> list[Message] | None:
    assert cached._shortcut is not None
    messages = cached._shortcut.answer(scope)
    return None if messages is None else [*messages]


class Site:
    """An application with pages of several kinds; it counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        kind = scope["path"].strip("/")
        lines = [("content-type", "text/html"), ("x-call", str(self.calls))]
        tag(kind or "front")
        match kind:
            case "vary":
                cache_for(60, vary=["x-a"])
            case "turns":
                cache_for(60, vary=["x-a"] if self.calls % 2 else [])
            case "soft":
                cache_for(5, stale_if_error=20)
            case "own":
                lines.append(("cache-control", "private"))
            case "cookie":
                lines.append(("cache-control", "max-age=60"))
            case "public":
                cache_for(60, public=True)
            case "missing":
                cache_for(60)
            case "gzip":
                cache_for(60)
                lines.append(("content-encoding", "gzip"))
            case "never":
                no_store()
            case _:
                cache_for(60)
        await send(start(*lines, status=404 if kind == "missing" else 200))
        await send(chunk(b"%d" % self.calls if scope["method"] != "HEAD" else b""))


KINDS = ["", "vary", "turns", "soft", "own", "cookie", "public", "missing", "gzip", "never"]
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
    st.lists(st.tuples(HARMLESS, VALUES), max_size=3),
    st.lists(st.tuples(NAMES, VALUES), max_size=2),
)
UNUSUAL_SCOPES: list[dict[str, Any]] = [
    *({"user": "ada"}, {"user": None}, {"session": {}}, {"session": {"user": 1}}, {"state": {}}),
    *({"state": {"user": "ada"}}, {"state": {"x": 1}}, {"extensions": {"http.response.pathsend": {}}}),
    *({"extensions": {"tls": {"client_cert_name": "CN=ada"}}}, {"root_path": "/mount"}, {"scheme": "http"}),
    *({"raw_path": None}, {"raw_path": b""}, {"raw_path": b"/%76ary"}, {"query_string": b"a=1"}),
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
    short = by_the_shortcut(cached, scope)
    assert scope == before, "the scope is left as it was"
    long = by_the_engine(cached, {**scope, "headers": list(scope["headers"])})
    if short is not None:
        assert short == long
        assert site.calls == calls
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
HOSTS = [
    [("host", one), ("host", other)] for one in ("example.org", "") for other in ("example.org", "example.net", "")
]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_one_thing_is_unusual_the_answers_are_alike(kind: str) -> None:
    cached = ASGIAccelerator(Site(), clock=ManualClock())
    plain = http_scope(f"/{kind}", headers=BROWSER)
    unusual = [
        *(http_scope(f"/{kind}", headers=[*BROWSER, *fields]) for fields in (*ONE_FIELD, *HOSTS, *REPEATED)),
        *(http_scope(f"/{kind}", method=method, headers=BROWSER) for method in ("HEAD", "POST", "QUERY", "get")),
        *({**plain, **more} for more in UNUSUAL_SCOPES),
        http_scope(f"/{kind}"),
        http_scope(f"/{kind}?a=1", headers=BROWSER),
    ]
    for scope in unusual:
        warm(cached, kind)
        compare(cached, scope)
    warm(cached, kind)
    assert compare(cached, plain) is (kind not in {"own", "never"})


@pytest.mark.parametrize("kind", KINDS)
def test_at_whatever_age_and_after_whatever_invalidation_the_answers_are_alike(kind: str) -> None:
    for soft in (None, False, True):
        for age in (0.0, 4.9, 5.0, 5.1, 59.9, 60.0, 60.1, -3.0):
            clock, store = ManualClock(), MemoryStore()
            cached = ASGIAccelerator(Site(), store=store, clock=clock)
            warm(cached, kind)
            if soft is not None:
                drive(store.invalidate_tag(kind or "front", soft=soft))
            clock.advance(age)
            for _ in range(3):
                compare(cached, http_scope(f"/{kind}", headers=BROWSER))


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_coding_the_first_client_took_the_answers_are_alike(kind: str) -> None:
    for first in (BROWSER, [], [("accept-encoding", "identity")], [("x-a", "1")]):
        for other in (BROWSER, [], [("accept-encoding", "gzip")], [("x-a", "1")]):
            cached = ASGIAccelerator(Site(), clock=ManualClock())
            warm(cached, kind, first)
            for fields in (other, first, other):
                compare(cached, http_scope(f"/{kind}", headers=fields))


@settings(max_examples=200, derandomize=True, database=None)
@given(STEPS, st.sampled_from([{}, {}, {"cache_status": None}, {"credentials": ("x-a",)}, {"vary": ("x-a",)}]))
def test_whatever_happens_the_answers_are_alike(steps: list[Any], options: dict[str, Any]) -> None:
    clock, store = ManualClock(), MemoryStore()
    cached = ASGIAccelerator(Site(), store=store, clock=clock, **options)
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


@pytest.mark.anyio
async def test_messages_and_lists_are_fresh_for_each_request_since_middlewares_change_them() -> None:
    cached = ASGIAccelerator(app_saying(("cache-control", "s-maxage=60")), clock=ManualClock())
    for _ in range(3):
        answer = await ask(cached)
        answer.messages[0]["headers"].clear()
        answer.messages[0].clear()
        answer.messages[1].clear()
    assert (await ask(cached)).get("cache-status") == "accelerator; hit; ttl=60"


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
        def ready_entry(self, key: Any, selecting_values: Any) -> Any:
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
        {"ignore_query": ("a",)},
        {"ignore_cookies": ("a",)},
        {"keep_query": ("a",)},
        {"keep_cookies": ("a",)},
        {"credentials": ("Host",)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_where_an_option_changes_keys_or_decisions_there_is_no_short_way(options: dict[str, Any]) -> None:
    assert ASGIAccelerator(Site(), **options)._shortcut is None


def test_where_somebody_listens_there_is_no_short_way() -> None:
    events: list[CacheEvent] = []
    assert ASGIAccelerator(Site(), on_event=events.append)._shortcut is None


@pytest.mark.parametrize(
    ("lines", "is_short"),
    [
        ([("host", "example.org")], True),
        ([("host", " example.org\t")], True),
        ([("host", "example.org"), ("host", "example.org")], False),
        ([("host", "example.org"), ("Host", "example.net")], False),
        ([("Host", "example.org")], False),
        ([("host", "example.net")], False),
        ([], False),
    ],
)
def test_the_short_way_needs_one_plain_host(lines: list[tuple[str, str]], is_short: bool) -> None:
    scope = {**http_scope("/"), "headers": raw(lines)}
    assert (by_the_shortcut(warmed(MemoryStore()), scope) is not None) is is_short


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
