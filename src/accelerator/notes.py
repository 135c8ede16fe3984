"""What the application says of the response it is making."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from accelerator.http.fields import is_token
from accelerator.tags import flattened
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger("accelerator")


class Tags(Uncopied, list[str]):
    """The tags that the application gave one response. A deep copy of the scope holds the same list."""

    __slots__ = ()


class Notes:
    """All that the application said of one response, anywhere: of times the last ones count, names add up.

    Attributes:
        tags: the data that it was made from.
        vary: the request fields by which it was selected, in lower case.
        safe_methods: methods by which the view is only asked, though HTTP calls them unsafe.
        ttl: see `cache_for`.
        stale_while_revalidate: see `cache_for`.
        stale_if_error: see `cache_for`.
        public: see `cache_for`.
        no_store: it is to be kept out of the store.
        credential_after_call: who asks, in words, where only the call of the application shows it: by then a session of
            an outer middleware's is filled. `""` for nobody.
    """

    __slots__ = (
        "credential_after_call",
        "no_store",
        "public",
        "safe_methods",
        "stale_if_error",
        "stale_while_revalidate",
        "tags",
        "ttl",
        "vary",
    )

    def __init__(self) -> None:
        self.tags: list[str] = Tags()
        self.vary: set[bytes] = set()
        self.safe_methods: frozenset[str] = frozenset()
        self.ttl: float | None = None
        self.stale_while_revalidate: float | None = None
        self.stale_if_error: float | None = None
        self.public = False
        self.no_store = False
        self.credential_after_call = ""

    def allow_methods(self, methods: frozenset[str]) -> None:
        """Note methods by which the view is only asked."""
        self.safe_methods |= methods

    def read_scope(self, scope: Mapping[str, Any], credential: str = "") -> None:
        """Note what the keys `accelerator.cache_for` and `accelerator.tags` say; the functions come before them.

        A value that makes no sense keeps the response out of the store.

        Args:
            scope: the scope that the application got.
            credential: see `credential_after_call`.
        """
        self.credential_after_call = credential
        try:
            ttl = scope.get("accelerator.cache_for")
            if ttl is not None and self.ttl is None:
                self.ttl = seconds("accelerator.cache_for", ttl)
            tags = scope.get("accelerator.tags", self.tags)
            if tags is not self.tags:
                self.tags.extend(name for name in flattened([tags]) if name not in self.tags)
        except (TypeError, ValueError) as error:
            self.no_store = True
            logger.warning("not stored: %s", error)


_current: ContextVar[Notes | None] = ContextVar("accelerator_notes", default=None)
current_notes = _current.get
start_noting = _current.set


def stop_noting(token: Token[Notes | None]) -> None:
    """Undo `start_noting`.

    A response that nobody closed may end as garbage, in whatever context is current then: that one is left alone.
    """
    with suppress(ValueError):  # the token is of another context
        _current.reset(token)


def seconds(name: str, value: object) -> float:
    """Return `value` as a finite number of seconds.

    Raises:
        TypeError: it is not an int or a float (a bool is neither).
        ValueError: it is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {type(value).__name__}: {value!r:.80}")
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # an int beyond what a float can be
        is_finite = False
    if not is_finite:
        raise ValueError(f"{name} has to be finite, not {value!r:.80}")
    return value


def cache_for(
    ttl: float,
    *,
    stale_while_revalidate: float | None = None,
    stale_if_error: float | None = None,
    public: bool = False,
    vary: str | Iterable[str] = (),
) -> None:
    """Let the response that is being made be reused for `ttl` seconds. Outside a request it does nothing.

    The last call wins. It has to be said before the response starts, and does not lift what the response's own
    Cache-Control forbids (`private`, `no-store`).

    Args:
        ttl: seconds for which it is fresh; 0 or less stores nothing.
        stale_while_revalidate: seconds after that in which it may still be served while it is made anew (RFC 5861 §3);
            None leaves it to the middleware's option.
        stale_if_error: seconds after that in which it may still be served if making it anew fails (RFC 5861 §4);
            None leaves it to the middleware's option.
        public: it is the same for all who may ask, so it may answer requests that say who asks, too (RFC 9111 §3.5).
        vary: names of request fields by which it was chosen, see `vary`.

    Raises:
        TypeError: a time is not a number, `public` is not a bool, or a name not a `str`.
        ValueError: a time is not finite, or a name is none that a field can have.
    """
    check_times(ttl, stale_while_revalidate, stale_if_error, public)
    names = field_names_of([vary])
    if (notes := current_notes()) is not None:
        notes.ttl = ttl
        notes.stale_while_revalidate = stale_while_revalidate
        notes.stale_if_error = stale_if_error
        notes.public = public
        notes.vary |= names


def check_times(ttl: object, stale_while_revalidate: object, stale_if_error: object, public: object) -> None:
    """Check what `cache_for` is called with.

    Raises:
        TypeError: a time is not a number, or `public` is not a bool.
        ValueError: a time is not finite.
    """
    seconds("ttl", ttl)
    for name, value in (("stale_while_revalidate", stale_while_revalidate), ("stale_if_error", stale_if_error)):
        if value is not None:
            seconds(name, value)
    if not isinstance(public, bool):
        raise TypeError(f"public is a bool, not {type(public).__name__}")


def vary(*names: str | Iterable[str]) -> None:
    """Say by which request fields the response that is being made was chosen. Outside a request it does nothing.

    Each combination of their values then has a response of its own, and the response says so in Vary (RFC 9110
    §12.5.5). Names add up. It has to be said before the response starts: later it keeps the response out of the store.

    Args:
        names: names of fields such as `"X-Tenant"`, or iterables of names.

    Raises:
        TypeError: a name is not a `str`.
        ValueError: a name is none that a field can have.
    """
    fields = field_names_of(names)
    if (notes := current_notes()) is not None:
        notes.vary |= fields


def field_names_of(names: Iterable[str | Iterable[str]]) -> set[bytes]:
    """Return names of request fields in lower case.

    Raises:
        TypeError: a name is not a `str`.
        ValueError: a name is none that a field can have.
    """
    flat = flattened(names, "a name of a field")
    if wrong := [name for name in flat if not is_token(name)]:
        raise ValueError(f"vary takes names of request fields such as 'X-Tenant' (RFC 9110 §5.1), not {wrong[0]!r:.80}")
    return {name.lower().encode("ascii") for name in flat}


def tag(*names: str | Iterable[str]) -> None:
    """Say which data the response that is being made was made from. Outside a request it does nothing.

    Callable any number of times, at any depth, from async code and worker threads, until the response's last byte. A
    name that no tag can have keeps the response out of the store, which is logged: it may come from a stranger's URL.

    Args:
        names: tags, or iterables of tags.

    Raises:
        TypeError: a name is not a `str`.
    """
    flat = flattened(names)
    if (notes := current_notes()) is not None:
        notes.tags.extend(flat)


def no_store() -> None:
    """Keep the response that is being made out of the store, whatever else is said. Outside a request: nothing."""
    if (notes := current_notes()) is not None:
        notes.no_store = True
