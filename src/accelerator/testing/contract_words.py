"""Helpers and data for the tests that every store has to pass."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.lowlevel import checkpoint

from accelerator.testing.samples import make_entry, make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from accelerator.http.request import Request
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup, Store


def requests_of(name: str = "p") -> Iterator[Request]:
    """Yield requests for different URLs, without end."""
    return (make_request(f"https://example.org/{name}/{number}") for number in itertools.count())


async def fill(store: Store, request: Request, *tags: str, **more: Any) -> Entry:
    """Store the entry of a response whose making begins now, and return it."""
    entry = make_entry(request, (await store.lookup(request)).mark, tags, **more)
    assert await store.commit(entry) is True
    return entry


async def state_of(store: Store, request: Request) -> str:
    """Return what a lookup finds for a request: `fresh`, `stale` or `missing`."""
    found = await store.lookup(request)
    assert found.entry is not None or found.invalidated is False
    return "missing" if found.entry is None else "stale" if found.invalidated else "fresh"


def body_of(found: Lookup) -> bytes | None:
    """Return the body of the entry found, None if there is none."""
    return found.entry.body if found.entry is not None else None


def unmarked(entry: Entry | None) -> Entry | None:
    """Return an entry without its mark, of which each store has its own kind."""
    return replace(entry, mark=None) if entry is not None else None


async def let_others_run(steps: int) -> None:
    """Let the other tasks run for this number of turns."""
    for _ in range(steps):
        await checkpoint()


async def cancelled_before(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Make a call in a scope that is cancelled already, so that the first await raises if it heeds that."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await call()


async def cancelled_within(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Make a call, and cancel it when it first waits."""
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await checkpoint()
        group.cancel_scope.cancel()


VARY: Final = ("x-a", "x-b")
ORDERS: Final = [order for length in (1, 2, 3) for order in itertools.product((True, False), repeat=length)]
TAGS: Final = ("user:42", "User:42", "u\u0308ber", "a b", "a,b", "*", "[x]*?", "\U0001f600", "x" * 1024)
ENTRIES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"body": b"", "headers": (), "status": 404},
    {"body": bytes(range(256)) * 4096},
    {"headers": ((b"X-A", b"1"), (b"x-b", b" \xff\x00 "), (b"X-A", b"2"), (b"", b""))},
    {"vary": (b"accept", b"accept-language")},
    {"initial_age": 12.5, "lifetime": 0.0, "stale_while_revalidate": 7200.25, "stale_if_error": 2.0**31},
    {"for_cookies": False, "for_credentials": True},
    {
        "etag": b'W/"a"',
        "added": ((b"etag", b'W/"a"'), (b"cache-control", b"no-cache")),
        "validator": None,
        "last_modified": b"Thu, 01 Jan 1970 00:00:00 GMT",
    },
    {"etag": b'"\xfc"', "validator": b'"\xfc"'},
)
LOOKALIKES: Final[tuple[tuple[str, list[tuple[str, str]], dict[str, Any]], ...]] = (
    ("https://example.org/a?b", [], {}),
    ("http://example.org/a?b", [], {}),
    ("https://example.or/ga?b", [], {}),
    ("https://example.org:443/a?b", [], {}),
    ("https://example.org/A?b", [], {}),
    ("https://example.org/a/?b", [], {}),
    ("https://example.org/%61?b", [], {}),
    ("https://example.org/a%3Fb", [], {}),
    ("https://example.org/a", [], {}),
    ("https://example.org/a?b&", [], {}),
    ("https://example.org/a?B", [], {}),
    ("https://example.org?b", [("host", "example.org/a")], {}),
    ("https://example.org/a?b", [], {"path": "/b"}),
    ("https://example.org/a?b", [], {"root_path": "/a"}),
    ("https://example.org/a?b", [], {"partition": "/a"}),
    ("https://example.org/a?b", [], {"root_path": "/a", "partition": "/a"}),
    ("https://example.org/a?b", [], {"partition": "p\u00fc"}),
    ("https://example.org/a?b", [("origin", "https://example.org")], {}),
)
