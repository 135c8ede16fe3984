"""The options of the middlewares."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from accelerator.http.credentials import CREDENTIALS
from accelerator.http.fields import is_token
from accelerator.http.globs import matching
from accelerator.notes import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.events import CacheEvent


VARY_COOKIES: Final = ("django_language", "messages", "_LOCALE_", "I18N_LANGUAGE")
"""Cookies that frameworks go by, though their Vary does not say so.

Django, Pyramid and Plone choose the language by one. Django keeps the messages for the next page in one: whoever has it
gets a page of their own, which shows them.
"""

UNSTORED_FIELDS: Final = (
    *("x-request-id", "x-correlation-id", "x-trace-id", "x-amzn-requestid", "x-amzn-trace-id", "cf-ray"),
    *("traceparent", "tracestate", "traceresponse", "server-timing", "x-runtime", "x-process-time", "x-response-time"),
    *("ratelimit", "ratelimit-*", "x-ratelimit-*", "x-rate-limit-*"),
)
"""Response fields that speak of one request: its number, its time, what its client may still ask for."""


class OptionArguments(TypedDict, total=False):
    """The keyword arguments of both middlewares; `Options` has their defaults and meanings."""

    default_ttl: float | None
    stale_while_revalidate: float
    stale_if_error: float
    max_body_bytes: int
    ignore_query: tuple[str, ...]
    ignore_cookies: tuple[str, ...]
    keep_query: tuple[str, ...] | None
    keep_cookies: tuple[str, ...] | None
    cookies: Literal["strict", "vary"]
    vary: tuple[str, ...]
    vary_cookies: tuple[str, ...]
    renewed_cookies: tuple[str, ...]
    credentials: tuple[str, ...]
    cacheable_posts: tuple[str, ...]
    partition: Callable[[Any], str | None] | None
    tag_headers: tuple[str, ...]
    targeted_fields: tuple[str, ...]
    unstored_fields: tuple[str, ...]
    cacheable_errors: bool
    heuristic: bool
    obey_request_directives: bool
    coalesce: bool
    cache_status: str | None
    on_event: Callable[[CacheEvent], None] | None
    enabled: bool
    clock: Callable[[], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What an accelerator can be told. Times are in seconds.

    Attributes:
        default_ttl: time of a response that says nothing itself; None stores only what was asked for.
        stale_while_revalidate: default of the RFC 5861 §3 window of a stored response.
        stale_if_error: default of the RFC 5861 §4 window of a stored response.
        max_body_bytes: a longer body is passed on and not stored.
        ignore_query: globs of the names of query parameters that do not count, such as `"utm_*"`: they are not in the
            key, and the application does not see them.
        ignore_cookies: globs of the names of cookies that do not count, such as `"_ga*"`, in the same way.
        keep_query: globs of the names of the only query parameters that count, such as `("page", "q")`; None for what
            `ignore_query` says. The application sees no others.
        keep_cookies: globs of the names of the only cookies that count, in the same way.
        cookies: `"strict"` shares a response with requests that carry cookies only on a word for shared caches;
            `"vary"` takes the application at its word: what does not say `Vary: Cookie` does not depend on cookies.
        vary: request fields that choose every response, such as `("X-Tenant",)`; each response says so in Vary.
        vary_cookies: names of cookies that tell responses apart by themselves, such as that of the language.
        renewed_cookies: names of cookies that the application sets anew in each response that depends on them, as
            Django does with `csrftoken`: such a response is not stored, so they choose none that `Vary: Cookie` has.
        credentials: request fields that say who asks, besides Cookie and Authorization: a request with one is neither
            stored nor answered from the store unless the response is `public` (RFC 9111 §3.5), or has a partition.
        cacheable_posts: globs of paths where a POST only asks, such as `"/graphql"`: its answer may be stored under its
            URL and content, where it has a time of its own, and it takes nothing back.
        partition: called with the scope of each request as it came; what it returns joins the key, None passes the
            request by. All who share a partition share what is stored in it, whatever else says who they are.
        tag_headers: response fields that carry tags, taken off before the client sees them; in `Cache-Tag` commas part
            the names, in any other commas and blanks do.
        targeted_fields: response fields that speak to this cache alone; the first valid one replaces Cache-Control and
            Expires (RFC 9213 §2.2).
        unstored_fields: globs of the names of response fields that speak of one request, such as `"x-request-id"`: the
            client that was waited for gets them, no hit has them.
        cacheable_errors: store 4xx and 5xx responses other than 404 and 410, too, where they say so themselves.
        heuristic: where a response has no time but a Last-Modified, take a tenth of the time since then, a day at most
            (RFC 9111 §4.2.2).
        obey_request_directives: let clients say by Cache-Control what they take from the store (RFC 9111 §5.2.1): it
            lets them go past it, too.
        coalesce: let requests wait for a running fill of the same key.
        cache_status: the name under which Cache-Status reports (RFC 9211), None sends none.
        on_event: called with a `CacheEvent` for each request and invalidation; it must not block.
        enabled: False passes every request by.
        clock: seconds since the epoch.
    """

    default_ttl: float | None = None
    stale_while_revalidate: float = 0
    stale_if_error: float = 0
    max_body_bytes: int = 8 * 1024 * 1024
    ignore_query: tuple[str, ...] = ()
    ignore_cookies: tuple[str, ...] = ()
    keep_query: tuple[str, ...] | None = None
    keep_cookies: tuple[str, ...] | None = None
    cookies: Literal["strict", "vary"] = "strict"
    vary: tuple[str, ...] = ()
    vary_cookies: tuple[str, ...] = VARY_COOKIES
    renewed_cookies: tuple[str, ...] = ()
    credentials: tuple[str, ...] = CREDENTIALS
    cacheable_posts: tuple[str, ...] = ()
    partition: Callable[[Any], str | None] | None = None
    tag_headers: tuple[str, ...] = ("cache-tag", "surrogate-key", "xkey")
    targeted_fields: tuple[str, ...] = ("cdn-cache-control",)
    unstored_fields: tuple[str, ...] = UNSTORED_FIELDS
    cacheable_errors: bool = False
    heuristic: bool = False
    obey_request_directives: bool = False
    coalesce: bool = True
    cache_status: str | None = "accelerator"
    on_event: Callable[[CacheEvent], None] | None = None
    enabled: bool = True
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Check every value; a wrong one raises TypeError or ValueError that names the option."""
        if self.default_ttl is not None:
            seconds("default_ttl", self.default_ttl)
        for name in ("stale_while_revalidate", "stale_if_error"):
            if seconds(name, getattr(self, name)) < 0:
                raise ValueError(f"{name} is 0 or more seconds, not {getattr(self, name)}")
        for name in ("cacheable_errors", "heuristic", "obey_request_directives", "coalesce", "enabled"):
            if type(getattr(self, name)) is not bool:
                raise TypeError(f"{name} is of type bool, not {type(getattr(self, name)).__name__}")
        if type(self.max_body_bytes) is not int:
            raise TypeError(f"max_body_bytes is of type int, not {type(self.max_body_bytes).__name__}")
        for name, may_be_none in (("partition", True), ("on_event", True), ("clock", False)):
            value = getattr(self, name)
            if not (callable(value) or (value is None and may_be_none)):
                raise TypeError(f"{name} has to be callable, not {type(value).__name__}")
        if self.max_body_bytes < 0:
            raise ValueError(f"max_body_bytes is 0 or more, not {self.max_body_bytes}")
        self._check_names()

    def _check_names(self) -> None:
        for name in ("ignore_query", "ignore_cookies", "keep_query", "keep_cookies", "unstored_fields"):
            self._check_texts(name, "globs such as ('utm_*',)")
        for name in ("vary_cookies", "renewed_cookies"):
            self._check_texts(name, "names of cookies such as ('lang',)")
        self._check_texts("cacheable_posts", "globs of paths such as ('/graphql',)")
        for kept, ignored in (("keep_query", "ignore_query"), ("keep_cookies", "ignore_cookies")):
            if getattr(self, kept) is not None and getattr(self, ignored):
                raise ValueError(f"{kept} names all that counts, so {ignored} says nothing beside it: give one of them")
        self._check_cookies()
        for option in ("tag_headers", "targeted_fields", "vary", "credentials"):
            names = self._check_texts(option, "field names")
            if not all(is_token(name) for name in names):
                raise ValueError(f"{option} are names of fields (RFC 9110 §5.1), not {names!r}")
        self._check_credentials()
        if self.cookies not in {"strict", "vary"}:
            raise ValueError(f'cookies is "strict" or "vary", not {self.cookies!r}')
        if self.cache_status is not None and not isinstance(self.cache_status, str):
            raise TypeError(f"cache_status is a str or None, not {type(self.cache_status).__name__}")
        if self.cache_status is not None and not _is_sf_token(self.cache_status):
            raise ValueError(f"cache_status is a token such as 'accelerator' (RFC 9211 §2), not {self.cache_status!r}")

    def _check_credentials(self) -> None:
        """Refuse the names of the two fields that this option would not be asked about."""
        if own := [name for name in self.credentials if name.lower() in {"cookie", "authorization"}]:
            raise ValueError(
                "credentials stand beside Cookie and Authorization, which have rules of their own: leave out"
                f" {', '.join(own)}; the option cookies says what cookies count for, partition gives each their pages"
            )

    def _check_cookies(self) -> None:
        """Refuse cookies that are to tell responses apart and are never seen; the default may name such."""
        is_kept = matching(("*",) if self.keep_cookies is None else (*self.keep_cookies, *VARY_COOKIES))
        if unseen := [name for name in self.vary_cookies if not is_kept(name)]:
            raise ValueError(
                f"keep_cookies leaves out {unseen[0]!r}, so vary_cookies cannot tell by it: name it in both"
            )

    def _check_texts(self, option: str, what: str) -> tuple[str, ...]:
        value = getattr(self, option)
        may_be_none = option.startswith("keep_")
        if value is None and may_be_none:
            return ()
        if type(value) is not tuple or not all(isinstance(text, str) for text in value):
            raise TypeError(f"{option} is a tuple of {what}{', or None' if may_be_none else ''}, not {value!r}")
        return value


def _is_sf_token(name: str) -> bool:
    """Tell whether `name` is a structured-field token (RFC 9651 §3.3.4)."""
    return (
        name.isascii()
        and name[:1].isalpha()
        and all(letter.isalnum() or letter in "!#$%&'*+-.^_`|~:/" for letter in name)
    )


def checked(arguments: OptionArguments) -> Options:
    """Return the options of keyword arguments.

    Raises:
        TypeError: there is no such option, or its value has the wrong type.
        ValueError: its value makes no sense.
    """
    known = {field.name for field in fields(Options)}
    if unknown := sorted(set(arguments) - known):
        raise TypeError(f"no such option: {', '.join(unknown)}; there are {', '.join(sorted(known))} and store")
    return Options(**arguments)
