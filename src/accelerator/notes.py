"""What the application declares about the response that it is making: `cache_for`, `tag`, `vary`, `no_store`."""

from __future__ import annotations

import logging
import math
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from accelerator.http.fields import is_token
from accelerator.tags import flattened
from accelerator.uncopied import Uncopied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger("accelerator")


class Tags(Uncopied, list[str]):
    """The tags that the application gives one response. A deep copy of the scope holds this same list."""

    __slots__ = ()


class Notes:
    """What the application has declared about one response. The last `cache_for` counts; tags and field names add up.

    Attributes:
        tags: the tags of the data that the response was made from.
        vary: the names of its selecting header fields, in lower case.
        safe_methods: the methods that are safe for its view, such as a POST that HTTP calls unsafe.
        ttl: see `cache_for`.
        stale_while_revalidate: see `cache_for`.
        stale_if_error: see `cache_for`.
        public: see `cache_for`.
        no_store: whether the response must not be stored.
        credential_after_call: what identifies the user after the call of the application, such as `a session` of an
            outer middleware that the application has filled; `""` for nothing.
        route: the template of the route that answers, `""` if that is not known.
        is_counted: whether figures count the request: not if it is one of those who look at them.
    """

    __slots__ = (
        "credential_after_call",
        "is_counted",
        "no_store",
        "public",
        "route",
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
        self.route = ""
        self.is_counted = True

    def leave_uncounted(self) -> None:
        """Leave the request out of the figures."""
        self.is_counted = False

    def name_route(self, template: str) -> None:
        """Note the route, unless it is known."""
        self.route = self.route or template

    def allow_methods(self, methods: frozenset[str]) -> None:
        """Add methods that are safe for the view."""
        self.safe_methods |= methods

    def read_scope(self, scope: Mapping[str, Any], credential: str = "") -> None:
        """Read the scope's keys `accelerator.cache_for` and `accelerator.tags`. A call of `cache_for` comes first.

        An invalid value keeps the response out of the store, and is logged.

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

    A response that was never closed may be garbage-collected in another context, whose notes are not touched.
    """
    try:
        _current.reset(token)
    except ValueError:  # the token belongs to another context
        return


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
    except OverflowError:  # an int too large for a float
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
    """Let the response that is being made be stored, and reused for `ttl` seconds. Outside a request it does nothing.

    The last call counts. Call it before the response starts. It does not override `private` and `no-store` in the
    response's own Cache-Control.

    Args:
        ttl: the freshness lifetime in seconds; a response with 0 or less is not stored.
        stale_while_revalidate: seconds after that in which the stale response may be served while it is refreshed in
            the background (RFC 5861 §3); None for the middleware's option.
        stale_if_error: seconds after that in which the stale response may be served in place of an error (RFC 5861 §4);
            None for the middleware's option.
        public: the response is the same for everybody, so it may answer requests with credentials (RFC 9111 §3.5).
        vary: names of the request fields that selected the response, see `vary`.

    Raises:
        TypeError: a time is not a number, `public` is not a bool, or a name is not a `str`.
        ValueError: a time is not finite, or a name cannot be the name of a field.
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
    """Check the arguments of `cache_for`.

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
    """Name the request fields that selected the response that is being made. Outside a request it does nothing.

    Each combination of their values then has its own stored response, and the response lists them in Vary (RFC 9110
    §12.5.5). The names of several calls add up. Call it before the response starts: a new name after that keeps the
    response out of the store.

    Args:
        names: names of fields such as `"X-Tenant"`, or iterables of names.

    Raises:
        TypeError: a name is not a `str`.
        ValueError: a name cannot be the name of a field.
    """
    fields = field_names_of(names)
    if (notes := current_notes()) is not None:
        notes.vary |= fields


def field_names_of(names: Iterable[str | Iterable[str]]) -> set[bytes]:
    """Return the names of request fields in lower case.

    Raises:
        TypeError: a name is not a `str`.
        ValueError: a name cannot be the name of a field.
    """
    flat = flattened(names, "a name of a field")
    if wrong := [name for name in flat if not is_token(name)]:
        raise ValueError(f"vary takes names of request fields such as 'X-Tenant' (RFC 9110 §5.1), not {wrong[0]!r:.80}")
    return {name.lower().encode("ascii") for name in flat}


def tag(*names: str | Iterable[str]) -> None:
    """Name the data that the response that is being made was made from. Outside a request it does nothing.

    It can be called any number of times, at any depth, from async code and worker threads, until the last byte of the
    response. An invalid tag raises nothing, because it may come from a client's URL: it keeps the response out of the
    store, and is logged.

    Args:
        names: tags, or iterables of tags.

    Raises:
        TypeError: a name is not a `str`.
    """
    flat = flattened(names)
    if (notes := current_notes()) is not None:
        notes.tags.extend(flat)


def no_store() -> None:
    """Keep the response that is being made out of the store, even if `cache_for` or its header fields allow storing.

    Outside a request it does nothing.
    """
    if (notes := current_notes()) is not None:
        notes.no_store = True
