"""The decorator `cached`, which declares times and tags for a view."""

from __future__ import annotations

import functools
import inspect
import re
import string
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar, cast

from accelerator.notes import cache_for, check_times, current_notes, field_names_of, tag
from accelerator.tags import flattened

_SAFE_METHODS: Final = ("GET", "HEAD", "POST", "QUERY")
_View = TypeVar("_View", bound=Callable[..., Any])


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
    """Call `cache_for` and `tag` for a view, sync or async, each time before it runs.

    Args:
        ttl: see `cache_for`.
        stale_while_revalidate: see `cache_for`.
        stale_if_error: see `cache_for`.
        public: see `cache_for`.
        vary: see `cache_for`.
        methods: the methods that are safe for the view besides GET, HEAD and QUERY: `["POST"]`. The content of such a
            request becomes part of the key, and the request invalidates nothing. The first POST to each path still
            bypasses the cache, because only the view knows; the option `cacheable_posts` declares it beforehand.
        tags: templates in the syntax of `str.format`, filled from the view's arguments: `"user:{user_id}"`.

    Raises:
        TypeError, ValueError: a time is not a finite number; a template is malformed or names an argument that the view
            does not have; a method is not one of GET, HEAD, POST and QUERY.
    """
    templates = flattened([tags])
    safe_methods = _safe_methods(methods)
    check_times(ttl, stale_while_revalidate, stale_if_error, public)
    note_times = functools.partial(
        cache_for,
        ttl,
        stale_while_revalidate=stale_while_revalidate,
        stale_if_error=stale_if_error,
        public=public,
        vary=[name.decode("ascii") for name in field_names_of([vary])],
    )

    def decorate(view: _View) -> _View:
        signature = _signature(view)
        for template in templates:
            _check_template(template, signature)

        def note(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            note_times()
            if safe_methods and (notes := current_notes()) is not None:
                notes.allow_methods(safe_methods)
            if templates:
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                tag(template.format(**bound.arguments) for template in templates)

        return _preceded(view, signature, note)

    return decorate


def _preceded(
    view: _View, signature: inspect.Signature, note: Callable[[tuple[Any, ...], dict[str, Any]], None]
) -> _View:
    """Return the view wrapped so that `note` is called with its arguments before it runs."""
    if inspect.iscoroutinefunction(view) or inspect.iscoroutinefunction(getattr(view, "__call__", None)):  # noqa: B004 - the method itself is looked at

        @functools.wraps(view)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            note(args, kwargs)
            return await view(*args, **kwargs)

    else:

        @functools.wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            note(args, kwargs)
            return view(*args, **kwargs)

    wrapper.__signature__ = signature  # type: ignore[attr-defined]  # frameworks read it
    return cast("_View", wrapper)


def _safe_methods(methods: Iterable[str]) -> frozenset[str]:
    names = flattened([methods], "a method")
    if wrong := [name for name in names if name not in _SAFE_METHODS]:
        raise ValueError(
            f"methods are some of {', '.join(_SAFE_METHODS)}, by which a view can be asked, not {wrong[0]!r:.80}"
        )
    return frozenset(names)


def _signature(view: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a view, its annotations evaluated in the view's module if that is possible."""
    try:
        return inspect.signature(view, eval_str=True)
    except NameError:  # an annotation has a name that only type checkers import
        return inspect.signature(view)


def _check_template(template: str, signature: inspect.Signature) -> None:
    for _, field, specification, _ in string.Formatter().parse(template):
        if field is None:
            continue
        _check_template(specification or "", signature)
        name = re.split(r"[.\[]", field, maxsplit=1)[0]
        if name not in signature.parameters:
            raise ValueError(f"the tag template {template!r} names {name!r}, which is no argument of {signature}")
