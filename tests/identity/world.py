"""The property of who asks: requests of all kinds, and an application that writes into each answer whom it saw.

No answer that was made for one identity is given to another one, or to nobody, unless it says `public` (or what counts
as that by RFC 9111 §3.5), or both have the same partition.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Final

from hypothesis import settings
from hypothesis import strategies as st

from accelerator import CREDENTIALS, cache_for
from accelerator.http import identity
from accelerator.testing import ManualClock
from tests.identity.doors import Answer, ASGIDoor, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator import Store
    from tests.identity.doors import Cached, Door, Field, Seen

FIELDS: Final = ("Cookie", "Authorization", *CREDENTIALS)
SCOPE: Final = (*identity.SCOPE_IDENTITIES, "state", "extensions")
ENVIRON: Final = tuple(identity._ENVIRON)

WORDS: Final[dict[str, list[Field]]] = {
    "nothing": [],
    "cache_for": [],
    "cache_for public": [],
    "max-age": [("Cache-Control", "max-age=60")],
    "must-revalidate": [("Cache-Control", "max-age=60, must-revalidate")],
    "s-maxage": [("Cache-Control", "s-maxage=60")],
    "public": [("Cache-Control", "public, max-age=60")],
}
FOR_ALL: Final = {"cache_for public", "must-revalidate", "s-maxage", "public"}
FOR_COOKIES: Final = {"cache_for", "cache_for public", "s-maxage", "public"}


@dataclass(frozen=True)
class Asked:
    """A request: who asks by what, in which partition, and what the application is to say of its answer."""

    who: tuple[tuple[str, str], ...]
    words: str
    partition: str = ""
    method: str = "GET"
    field: tuple[str, str] | None = None
    spelling: str = "-"
    after: float = 0

    def headers(self) -> list[Field]:
        fields = [(name.replace("-", self.spelling), value) for name, value in self.who if name in FIELDS]
        more = [] if self.field is None else [self.field]
        return [*fields, *more, ("X-Words", self.words), ("X-Partition", self.partition)]

    def world(self) -> dict[str, Any]:
        return {name: _put(name, value) for name, value in self.who if name not in FIELDS}


def _saying(words: str) -> list[Field]:
    """Return what a response says, and that it does: a 304 that says nothing leaves it at what was said before."""
    if words == "nothing":
        return []
    return [*WORDS[words], ("X-Control", words), ("X-Said", "")] if WORDS[words] else [("X-Said", words)]


def _put(name: str, value: str) -> Any:
    """Return what stands in a scope or an environ for an identity."""
    match name:
        case "session" | "state" | "beaker.session" | "secure_cookie.session" | "werkzeug.session":
            return {"user": value}
        case "csrftoken":
            return lambda: value
        case "extensions":
            return {"tls": {"client_cert_name": value}}
        case _:
            return value


def _found(name: str, put: Any) -> str:
    """Return the identity that stands in a scope or an environ."""
    match name:
        case "csrftoken":
            return str(put())
        case "extensions":
            return str(put["tls"]["client_cert_name"])
        case _:
            return str(put["user"] if isinstance(put, dict) else put)


def seen_in(seen: Seen, places: tuple[str, ...]) -> str:
    """Return whom an application sees, by whichever way it is told."""
    fields = {name.replace("_", "-"): value for name, value in seen.fields.items()}
    named = [(name, fields[name.lower()]) for name in FIELDS if name.lower() in fields]
    told = [(name, _found(name, seen.world[name])) for name in places if name in seen.world]
    return label(*named, *told)


def label(*who: tuple[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in sorted(who)) or "nobody"


def told_apart(one: str, other: str) -> set[str]:
    """Return by what two labels differ."""
    return {part.partition("=")[0] for part in {*one.split(";")} ^ {*other.split(";")}} - {"nobody"}


class Site:
    """An application behind the cache of a door, that says of each answer what it is asked to say."""

    def __init__(self, door: Door, store: Store | None, *, cookies: str) -> None:
        self._places = SCOPE if door is ASGIDoor else ENVIRON
        self._vary: list[Field] = [("Vary", "Cookie")] if cookies == "vary" else []
        self._for_cookies: set[str | None] = {*FOR_COOKIES} if cookies == "strict" else set()
        self._clock = ManualClock()
        options: dict[str, Any] = {"default_ttl": 60, "partition": _partition, "cookies": cookies}
        self._cached: Cached = door(self._handle, store, clock=self._clock, **options)

    def _handle(self, seen: Seen) -> Page:
        who, words = seen_in(seen, self._places), str(seen.get("X-Words"))
        if words.startswith("cache_for"):
            cache_for(60, public=words.endswith("public"))
        etag = f'"{who}"'
        fields = [*_saying(words), *self._vary, ("ETag", etag), ("X-Who", who)]
        return Page("", fields, status=304) if seen.get("If-None-Match") == etag else Page(f"page of {who}", fields)

    def ask(self, asked: Asked) -> Answer:
        self._clock.advance(asked.after)
        return self._cached.ask("/page", method=asked.method, headers=asked.headers(), **asked.world())

    def check(self, asked: Asked) -> None:
        """Ask, and look whom the answer was made for."""
        answer = self.ask(asked)
        words = {answer.get("x-said"), answer.get("x-control")}
        for name in told_apart(str(answer.get("x-who")), label(*asked.who)):
            if name == "Cookie":
                assert words & self._for_cookies, (asked, answer)
            elif not asked.partition:
                assert words & FOR_ALL, (asked, answer)


def _partition(scope: Any) -> str:
    fields = {name.lower(): value for name, value in scope["headers"]}
    return str(fields[b"x-partition"].decode())


# the same examples in each run, so that what is red was made so by a change
SEARCH: Final = settings(deadline=None, derandomize=True, database=None, report_multiple_bugs=False)

CONDITIONS: Final = (None, None, None, ("If-None-Match", '"nobody"'), ("If-None-Match", "*"), ("Range", "bytes=0-3"))


def requests(door: Door) -> st.SearchStrategy[list[Asked]]:
    """Requests for one page, by one or two ways of saying who asks, answered with one or two words."""
    ways = st.one_of(
        st.sampled_from(["Cookie", "Authorization"]),
        st.sampled_from(CREDENTIALS),
        st.sampled_from(SCOPE if door is ASGIDoor else ENVIRON),
    )
    pool_of_ways = st.lists(ways, min_size=1, max_size=2, unique=True)
    pool_of_words = st.lists(st.sampled_from([*WORDS]), min_size=1, max_size=2, unique=True)
    spellings = ("-", "_") if door is ASGIDoor else ("-",)

    def by(pools: tuple[list[str], list[str]]) -> st.SearchStrategy[list[Asked]]:
        names, words = pools
        choices: list[Sequence[Any]] = [
            [*product(*([None, "alice", "bob"] for _ in names))],
            words,
            ("", "", "", "tenant"),
            ("GET", "GET", "GET", "HEAD"),
            CONDITIONS,
            spellings,
            (0, 0, 0, 61),
        ]

        def asked(number: int) -> Asked:
            """Return one of all requests that there are: one draw for each, which costs little."""
            drawn: list[Any] = []
            for choice in choices:
                number, place = divmod(number, len(choice))
                drawn.append(choice[place])
            who = tuple((name, value) for name, value in zip(names, drawn[0], strict=True) if value is not None)
            return Asked(who, *drawn[1:])

        return st.lists(st.integers(0, prod(map(len, choices)) - 1).map(asked), min_size=4, max_size=10)

    return st.tuples(pool_of_ways, pool_of_words).flatmap(by)
