"""The options of the middlewares."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from accelerator.http.credentials import CREDENTIALS
from accelerator.http.fields import is_token
from accelerator.http.globs import matching
from accelerator.notes import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.events import CacheEvent

MIN_TOKEN_LENGTH: Final = 16
"""Characters of a token of the option `debug`: a shorter one might be guessed."""

VARY_COOKIES: Final = ("django_language", "messages", "_LOCALE_", "I18N_LANGUAGE")
"""Cookies that select the responses of frameworks, although their Vary does not name Cookie.

Django, Pyramid and Plone select the language by a cookie. Django keeps messages for the next page in another one: a
client with messages gets its own response, which shows them.
"""

UNSTORED_FIELDS: Final = (
    *("x-request-id", "x-correlation-id", "x-trace-id", "x-amzn-requestid", "x-amzn-trace-id", "cf-ray"),
    *("traceparent", "tracestate", "traceresponse", "server-timing", "x-runtime", "x-process-time", "x-response-time"),
    *("ratelimit", "ratelimit-*", "x-ratelimit-*", "x-rate-limit-*"),
)
"""Globs of response fields that describe one request: its id, its duration, the rate limit of its client."""


class OptionArguments(TypedDict, total=False):
    """The keyword arguments of both middlewares. `Options` has their defaults and meanings."""

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
    send_tags: tuple[str, ...]
    targeted_fields: tuple[str, ...]
    unstored_fields: tuple[str, ...]
    cacheable_errors: bool
    heuristic: bool
    obey_request_directives: bool
    coalesce: bool
    cache_status: str | None
    on_event: Callable[[CacheEvent], None] | None
    debug: bool | str
    enabled: bool
    clock: Callable[[], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of an accelerator. Times are in seconds.

    Attributes:
        default_ttl: freshness lifetime of a response that gives none itself; None does not store such a response.
        stale_while_revalidate: seconds after its freshness lifetime in which a stale response may be served while it is
            refreshed in the background (RFC 5861 §3), unless the response gives its own.
        stale_if_error: seconds after its freshness lifetime in which a stale response may be served in place of an
            error (RFC 5861 §4), unless the response gives its own.
        max_body_bytes: a response with a longer body is passed on, but not stored.
        ignore_query: globs of query parameters to ignore, such as `"utm_*"`: they are not part of the key, and the
            application does not see them.
        ignore_cookies: globs of cookies to ignore in the same way, such as `"_ga*"`.
        keep_query: globs of the only query parameters that are not ignored, such as `("page", "q")`; None to ignore
            those of `ignore_query`.
        keep_cookies: globs of the only cookies that are not ignored; None to ignore those of `ignore_cookies`.
        cookies: `"strict"`: a response answers requests with cookies only if it is meant for shared caches (by
            `cache_for`, a targeted field, `s-maxage` or `public`). `"vary"`: a response without `Vary: Cookie` does not
            depend on cookies.
        vary: request fields that select every response, such as `("X-Tenant",)`; each response lists them in Vary.
        vary_cookies: names of cookies whose values are part of the key, such as the cookie for the language.
        renewed_cookies: names of cookies that the application sets in each response that depends on them, as Django
            does with `csrftoken`. Set-Cookie keeps such a response out of the store, so these cookies do not select
            stored responses with `Vary: Cookie`.
        credentials: request fields with credentials, besides Cookie and Authorization. The response to a request with
            one is not stored, and the request is not answered from the store, unless the response is `public` (RFC 9111
            §3.5), or the request has a partition.
        cacheable_posts: globs of paths where every POST is safe, such as `"/graphql"`. Its answer may be stored under
            its URL and content if it has a time of its own, and it invalidates nothing.
        partition: called with the unchanged scope of each request. The text that it returns becomes part of the key;
            None lets the request bypass the cache. Requests of one partition share their stored responses, whatever
            credentials other than cookies they have.
        tag_headers: response fields with tags, which the client does not get. `Cache-Tag` separates tags by commas, the
            others by commas and blanks.
        send_tags: response fields in which clients get the tags of each response, such as `("Surrogate-Key",)`: for
            caches downstream, which `accelerator.fanout` tells what is taken back.
        targeted_fields: response fields with directives for this cache only. The first valid one replaces Cache-Control
            and Expires (RFC 9213 §2.2).
        unstored_fields: globs of response fields that describe one request, such as `"x-request-id"`. They are sent to
            the client of that request, but not stored.
        cacheable_errors: store also 4xx and 5xx responses other than 404 and 410, if they give a time themselves.
        heuristic: give a response without a time but with Last-Modified a tenth of the time since then as its freshness
            lifetime, a day at most (RFC 9111 §4.2.2).
        obey_request_directives: obey the Cache-Control of requests (RFC 9111 §5.2.1), by which clients can also force
            requests to the application.
        coalesce: let requests wait for a running fill of the same key (collapsed forwarding).
        cache_status: the name of this cache in Cache-Status (RFC 9211); None does not send the field.
        on_event: called with a `CacheEvent` for each request and invalidation; it must not block.
        debug: a token of at least 16 visible ASCII characters: the response to a request that carries it in
            `Accelerator-Debug` has the whole reasoning of the cache in a field of that name, and no cache in front may
            store it. True tells every request, for development; False tells none.
        enabled: False lets every request bypass the cache.
        clock: returns the time in seconds since the epoch.
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
    send_tags: tuple[str, ...] = ()
    targeted_fields: tuple[str, ...] = ("cdn-cache-control",)
    unstored_fields: tuple[str, ...] = UNSTORED_FIELDS
    cacheable_errors: bool = False
    heuristic: bool = False
    obey_request_directives: bool = False
    coalesce: bool = True
    cache_status: str | None = "accelerator"
    on_event: Callable[[CacheEvent], None] | None = None
    debug: bool | str = field(default=False, repr=False)  # a token is a secret
    enabled: bool = True
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Check what was given. A wrong value raises a TypeError or ValueError that names the option."""
        for option in fields(self):
            value = getattr(self, option.name)
            if value is not option.default:
                _CHECKS[option.name](option.name, value)
        for kept, ignored in (("keep_query", "ignore_query"), ("keep_cookies", "ignore_cookies")):
            if getattr(self, kept) is not None and getattr(self, ignored):
                raise ValueError(f"{kept} names all that counts, so {ignored} says nothing beside it: give one of them")
        self._check_cookies()

    def _check_cookies(self) -> None:
        """Refuse cookies in `vary_cookies` that `keep_cookies` removes, unless they are among the defaults."""
        if self.keep_cookies is None:
            return
        is_kept = matching((*self.keep_cookies, *VARY_COOKIES))
        if unseen := [name for name in self.vary_cookies if not is_kept(name)]:
            raise ValueError(
                f"keep_cookies leaves out {unseen[0]!r}, so vary_cookies cannot tell by it: name it in both"
            )


# --- the checks of the options ----------------------------------------------------------------------------------------


def _or_none(check: Callable[[str, Any], object]) -> Callable[[str, Any], object]:
    """Return a check that accepts None as well."""
    return lambda option, value: None if value is None else check(option, value)


def _check_window(option: str, value: object) -> None:
    if seconds(option, value) < 0:
        raise ValueError(f"{option} is 0 or more seconds, not {value}")


def _check_bool(option: str, value: object) -> None:
    if type(value) is not bool:
        raise TypeError(f"{option} is of type bool, not {type(value).__name__}")


def _check_size(option: str, value: object) -> None:
    if type(value) is not int:
        raise TypeError(f"{option} is of type int, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{option} is 0 or more, not {value}")


def _check_callable(option: str, value: object) -> None:
    if not callable(value):
        raise TypeError(f"{option} has to be callable, not {type(value).__name__}")


def _check_listener(option: str, value: object) -> None:
    _check_callable(option, value)
    if iscoroutinefunction(value):
        raise TypeError(f"{option} is a plain function, not a coroutine function: nobody would await it")


def _check_texts(option: str, value: object, what: str) -> tuple[str, ...]:
    if type(value) is not tuple or not all(isinstance(text, str) for text in value):
        or_none = ", or None" if option.startswith("keep_") else ""
        raise TypeError(f"{option} is a tuple of {what}{or_none}, not {value!r}")
    return value


_check_globs = partial(_check_texts, what="globs such as ('utm_*',)")
_check_cookie_names = partial(_check_texts, what="names of cookies such as ('lang',)")
_check_path_globs = partial(_check_texts, what="globs of paths such as ('/graphql',)")


def _check_field_names(option: str, value: object) -> None:
    names = _check_texts(option, value, "field names")
    if not all(is_token(name) for name in names):
        raise ValueError(f"{option} are names of fields (RFC 9110 §5.1), not {names!r}")


def _check_credentials(option: str, value: tuple[str, ...]) -> None:
    """Refuse Cookie and Authorization in `credentials`: both have rules of their own, which ignore this option."""
    _check_field_names(option, value)
    if own := [name for name in value if name.lower() in {"cookie", "authorization"}]:
        raise ValueError(
            "credentials stand beside Cookie and Authorization, which have rules of their own: leave out"
            f" {', '.join(own)}; the option cookies says what cookies count for, partition gives each their pages"
        )


def _check_cookies_mode(option: str, value: object) -> None:
    if value not in {"strict", "vary"}:
        raise ValueError(f'{option} is "strict" or "vary", not {value!r}')


def _check_cache_status(option: str, value: object) -> None:
    """Accept structured-field tokens (RFC 9651 §3.3.4)."""
    if not isinstance(value, str):
        raise TypeError(f"{option} is a str or None, not {type(value).__name__}")
    is_ascii_token = value.isascii() and value[:1].isalpha()
    if not (is_ascii_token and all(letter.isalnum() or letter in "!#$%&'*+-.^_`|~:/" for letter in value)):
        raise ValueError(f"{option} is a token such as 'accelerator' (RFC 9211 §2), not {value!r}")


def _check_debug(option: str, value: object) -> None:
    """Accept a bool, or a token that nobody guesses and a field can carry. What is wrong with it is said without it."""
    if not isinstance(value, bool | str):
        raise TypeError(f"{option} is a bool, or a token, not {type(value).__name__}")
    if isinstance(value, str) and not (
        len(value) >= MIN_TOKEN_LENGTH and value.isascii() and value.isprintable() and value.split() == [value]
    ):
        raise ValueError(
            f"{option} is a bool, or a token of at least {MIN_TOKEN_LENGTH} visible ASCII characters without blanks"
        )


_CHECKS: Final[dict[str, Callable[[str, Any], object]]] = {
    "default_ttl": _or_none(_check_window),
    "stale_while_revalidate": _check_window,
    "stale_if_error": _check_window,
    "max_body_bytes": _check_size,
    "ignore_query": _check_globs,
    "ignore_cookies": _check_globs,
    "keep_query": _or_none(_check_globs),
    "keep_cookies": _or_none(_check_globs),
    "cookies": _check_cookies_mode,
    "vary": _check_field_names,
    "vary_cookies": _check_cookie_names,
    "renewed_cookies": _check_cookie_names,
    "credentials": _check_credentials,
    "cacheable_posts": _check_path_globs,
    "partition": _or_none(_check_callable),
    "tag_headers": _check_field_names,
    "send_tags": _check_field_names,
    "targeted_fields": _check_field_names,
    "unstored_fields": _check_globs,
    "cacheable_errors": _check_bool,
    "heuristic": _check_bool,
    "obey_request_directives": _check_bool,
    "coalesce": _check_bool,
    "cache_status": _or_none(_check_cache_status),
    "on_event": _or_none(_check_listener),
    "debug": _check_debug,
    "enabled": _check_bool,
    "clock": _check_callable,
}


def checked(arguments: OptionArguments) -> Options:
    """Return the options that the keyword arguments of a middleware give.

    Raises:
        TypeError: there is no such option, or its value has the wrong type.
        ValueError: an option has an invalid value.
    """
    known = {option.name for option in fields(Options)}
    if unknown := sorted(set(arguments) - known):
        raise TypeError(f"no such option: {', '.join(unknown)}; there are {', '.join(sorted(known))} and store")
    return Options(**arguments)
