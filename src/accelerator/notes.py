"""What the application says of the response it is making."""

from __future__ import annotations

import functools
import inspect
import logging
import math
import re
import string
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Final, TypeVar, cast

from accelerator.http.fields import is_token
from accelerator.tags import flattened
from accelerator.uncopied import Uncopied

logger = logging.getLogger("accelerator")
_ASKING: Final = ("GET", "HEAD", "POST", "QUERY")
_View = TypeVar("_View", bound=Callable[..., Any])


class Tags(Uncopied, list[str]):
    """The names that were said of one response: what is added in a copy of the scope counts, too."""

    __slots__ = ()


class Notes:
    """All that was said of one response, from wherever in the application: the last time wins, names add up.

    Attributes:
        tags: what it was made from.
        vary: the request fields by which it was chosen, in lower case.
        methods: the methods of which it was said that they only ask.
        ttl: see `cache_for`.
        stale_while_revalidate: see `cache_for`.
        stale_if_error: see `cache_for`.
        public: see `cache_for`.
        no_store: it is to be kept out of the store.
        credential_after_call: who stands now where a middleware further out had made a place, in words: a session has been filled.
    """

    __slots__ = (
        "methods",
        "credential_after_call",
        "public",
        "stale_if_error",
        "stale_while_revalidate",
        "tags",
        "ttl",
        "vary",
        "no_store",
    )

    def __init__(self) -> None:
        self.tags: list[str] = Tags()
        self.vary: set[bytes] = set()
        self.methods: frozenset[str] = frozenset()
        self.ttl: float | None = None
        self.stale_while_revalidate: float | None = None
        self.stale_if_error: float | None = None
        self.public = False
        self.no_store = False
        self.credential_after_call = ""

    def read_scope(self, scope: Mapping[str, Any]) -> None:
        """Take in what was said by the keys `accelerator.cache_for` and `accelerator.tags`; functions come first.

        Nonsense keeps the response out of the store.
        """
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


_current: ContextVar[Notes | None] = ContextVar("accelerator_said", default=None)
listener = _current.get
start_noting = _current.set


def stop_noting(token: Token[Notes | None]) -> None:
    """Undo `start_listening`.

    A response that nobody closed may end as garbage, in whatever context is current then: that one is left alone.
    """
    with suppress(ValueError):  # the token is of another context, which is not this one's to change
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
    _check_times(ttl, stale_while_revalidate, stale_if_error, public)
    names = _field_names([vary])
    if (notes := _current.get()) is not None:
        notes.ttl = ttl
        notes.stale_while_revalidate = stale_while_revalidate
        notes.stale_if_error = stale_if_error
        notes.public = public
        notes.vary |= names


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
    fields = _field_names(names)
    if (notes := _current.get()) is not None:
        notes.vary |= fields


def _field_names(names: Iterable[str | Iterable[str]]) -> set[bytes]:
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
    if (notes := _current.get()) is not None:
        notes.tags.extend(flat)


def no_store() -> None:
    """Keep the response that is being made out of the store, whatever else is said. Outside a request: nothing."""
    if (notes := _current.get()) is not None:
        notes.no_store = True


def cached(
    ttl: float,
    *,
    tags: Iterable[str] = (),
    stale_while_revalidate: float | None = None,
    stale_if_error: float | None = None,
    public: bool = False,
    vary: str | Iterable[str] = (),
    methods: Iterable[str] = (),
) -> Callable[[_View], _View]:
    """Say `cache_for` and `tag` for a view, sync or async, each time before it runs.

    Args:
        ttl: see `cache_for`.
        stale_while_revalidate: see `cache_for`.
        stale_if_error: see `cache_for`.
        public: see `cache_for`.
        vary: see `cache_for`.
        methods: the methods by which the view is only asked, where GET, HEAD and QUERY are not all: `["POST"]`. The
            content of such a request then joins the key, and it takes nothing back. The first POST to each path still
            passes by, since only the view knows; the option `cacheable_posts` says it beforehand.
        tags: templates in the syntax of `str.format`, filled from the view's arguments: `"user:{user_id}"`.

    Raises:
        TypeError, ValueError: a time is not a finite number; a template is malformed or names an argument that the view
            does not have; there is a method among them by which nobody asks.
    """
    templates = flattened([tags])
    asking = _asking(methods)
    _check_times(ttl, stale_while_revalidate, stale_if_error, public)
    told = functools.partial(
        cache_for,
        ttl,
        stale_while_revalidate=stale_while_revalidate,
        stale_if_error=stale_if_error,
        public=public,
        vary=[name.decode("ascii") for name in _field_names([vary])],
    )

    def decorate(view: _View) -> _View:
        signature = _signature(view)
        for template in templates:
            _check_template(template, signature)

        def say(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            told()
            if asking and (notes := _current.get()) is not None:
                notes.methods |= asking
            if templates:
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                tag(template.format(**bound.arguments) for template in templates)

        if inspect.iscoroutinefunction(view) or inspect.iscoroutinefunction(getattr(view, "__call__", None)):  # noqa: B004 - asked for what it is

            @functools.wraps(view)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                say(args, kwargs)
                return await view(*args, **kwargs)

        else:

            @functools.wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                say(args, kwargs)
                return view(*args, **kwargs)

        wrapper.__signature__ = signature  # type: ignore[attr-defined]  # what frameworks read
        return cast("_View", wrapper)

    return decorate


def _asking(methods: Iterable[str]) -> frozenset[str]:
    names = flattened([methods], "a method")
    if wrong := [name for name in names if name not in _ASKING]:
        raise ValueError(
            f"methods are some of {', '.join(_ASKING)}, by which a view can be asked, not {wrong[0]!r:.80}"
        )
    return frozenset(names)


def _signature(view: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a view, its annotations resolved where the view stands if they can be."""
    try:
        return inspect.signature(view, eval_str=True)
    except NameError:  # a name for type checkers only
        return inspect.signature(view)


def _check_times(ttl: object, stale_while_revalidate: object, stale_if_error: object, public: object) -> None:
    seconds("ttl", ttl)
    for name, value in (("stale_while_revalidate", stale_while_revalidate), ("stale_if_error", stale_if_error)):
        if value is not None:
            seconds(name, value)
    if not isinstance(public, bool):
        raise TypeError(f"public is a bool, not {type(public).__name__}")


def _check_template(template: str, signature: inspect.Signature) -> None:
    for _, field, specification, _ in string.Formatter().parse(template):
        if field is None:
            continue
        _check_template(specification or "", signature)
        name = re.split(r"[.\[]", field, maxsplit=1)[0]
        if name not in signature.parameters:
            raise ValueError(f"the tag template {template!r} names {name!r}, which is no argument of {signature}")
