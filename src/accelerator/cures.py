"""Why a response was not stored or a request not answered from the store, and what to do about it.

The command line, the operator's page and the documentation say these words. docs/troubleshooting.md has a heading for
each reason in `CURES`, and more to say.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cure(NamedTuple):
    """What a reason means, and what to do about it.

    Attributes:
        why: what it means, in a sentence.
        cure: what to do, in a sentence or two; what a view or an option says stands in backquotes.
        rule: the section that it follows, such as `RFC 9111 §3.5`; `""` where no standard speaks of it.
    """

    why: str
    cure: str
    rule: str = ""


_OUTAGE: Final = "The store is away, slow, or refuses what it is asked: the log says so once, in the server's words."

CURES: Final[Mapping[str, Cure]] = {
    "no explicit time": Cure(
        "Nobody said how long the response holds.",
        "Say `cache_for(60)` or `@cached(60)` in the view, or `Cache-Control: s-maxage=60` in the response;"
        " `default_ttl=60` says it for all that say nothing.",
        "RFC 9111 §4.2",
    ),
    "an event stream needs an explicit time": Cure(
        "An event stream may have no end, so only a time of its own lets it be stored.",
        "If it ends, say `cache_for(60)` in the view.",
    ),
    "a time of 0": Cure("The view said `cache_for` with 0 seconds or less.", "Look at how the view computes the time."),
    "no time to be fresh": Cure(
        "The response is stale at once, by `max-age=0`, `no-cache` or `Expires`, and nothing can validate it.",
        "Say `cache_for(60)` in the view, which takes the place of what the response says, or send an `ETag`.",
        "RFC 9111 §4.2.1",
    ),
    "Set-Cookie": Cure(
        "The response sets a cookie, which must not reach another visitor.",
        "Leave pages with forms and logins out, or load the form, or its token, by a request of its own.",
        "RFC 9111 §7.3",
    ),
    "private": Cure(
        "The response says `Cache-Control: private`: it is one visitor's alone.",
        "Where that is wrong, take it off; nothing lifts it.",
        "RFC 9111 §5.2.2.7",
    ),
    "no-store": Cure(
        "The response says `Cache-Control: no-store`, as admins and `@never_cache` do.",
        "Where that is wrong, take it off; nothing lifts it.",
        "RFC 9111 §5.2.2.5",
    ),
    "must-understand": Cure(
        "The response says `must-understand`, and has a status that this cache does not know.",
        "Take the directive off.",
        "RFC 9111 §5.2.2.3",
    ),
    "Vary": Cure(
        "The response says `Vary: *`, or names what is no field.",
        "Name the fields by which the response is chosen.",
        "RFC 9111 §4.1",
    ),
    "status …": Cure(
        "The response has a status that is not stored: errors would outlive their cause, and a part is no whole.",
        "Stored are success, redirects, 404 and 410; `cacheable_errors=True` stores errors that say a time themselves.",
        "RFC 9111 §3",
    ),
    "a request with Cookie needs a word for shared caches": Cure(
        "The request has cookies, and nothing says that the response is not for this visitor alone.",
        "Say `cache_for(60)`, `s-maxage` or `public` where it is the same for all. `ignore_cookies` and `keep_cookies`"
        ' leave out cookies that the application does not read; `cookies="vary"` takes `Vary: Cookie` at its word.',
    ),
    "a request with … needs public": Cure(
        "Something in the request says who asks.",
        "Say `cache_for(60, public=True)` where the response is the same for all who may ask, or give each their own"
        " `partition`. Add the cache last, outside of what puts a user or a session into the scope.",
        "RFC 9111 §3.5",
    ),
    "a request with credentials needs a word for shared caches": Cure(
        "The application answered 304 to a request that says who asks: its fields may be for that one alone.",
        "Say `s-maxage` or `public` with the 304, or `cache_for(60)` in the view.",
        "RFC 9111 §3.5",
    ),
    "vary() after the start": Cure(
        "`vary()` was called once the response had started.",
        'Call it before, or name the field in `cache_for(60, vary=["X-Tenant"])`.',
        "RFC 9111 §4.1",
    ),
    "an unsafe request": Cure(
        "The request changes something, although another view of its path said that it only asks.",
        "Nothing needs to be done.",
        "RFC 9111 §4.4",
    ),
    "no_store()": Cure(
        "The view, or what it calls, said `no_store()`, or said by a key of the scope what makes no sense.",
        "Look at what calls it; the log tells of a key that makes no sense.",
    ),
    "tags": Cure(
        "A name was said that no tag can have, there were more than 1000 or of more than 16 KiB in all, or"
        " `Cache-Groups` cannot be read.",
        "The log says which; look at what comes from the URL before it becomes a tag. A page that shows so much wants a"
        " coarser tag.",
    ),
    "body too large": Cure(
        "The body is longer than `max_body_bytes`, 8 MiB unless told.", "Raise it, or serve large files from outside."
    ),
    "incomplete response": Cure(
        "The application ended before the end of its response, or sent another number of bytes than it said.",
        "See the application's log; correct its `Content-Length`.",
        "RFC 9111 §3.3",
    ),
    "trailers": Cure("The response announces trailers, which are not kept.", "Leave them out.", "RFC 9110 §6.5"),
    "a malformed start": Cure(
        "What the application sent is no start of a response by ASGI.", "See what the server's log says of it."
    ),
    "a malformed body": Cure("The application sent a chunk that is not bytes.", "Send bytes."),
    "a message of another kind": Cure(
        "The server sends the file itself (`http.response.pathsend`), or the application uses another extension.",
        "Serve such files from outside.",
    ),
    "a request with content": Cure(
        "The `GET` came with content, which the application read: its answer may depend on it.",
        'Ask by `QUERY`, or by a `POST` that says `@cached(60, methods=["POST"])`.',
        "RFC 9110 §9.3.1",
    ),
    "the client left": Cure(
        "The client went away before the response was complete, which then could not be stored, or took more than a"
        " minute longer.",
        "Make it quicker, or say its time at its start.",
    ),
    "too many responses under way": Cure(
        "The copies of the responses that are being made take more than 128 MiB.",
        "Lower `max_body_bytes`, or put a proxy in front that takes responses quickly.",
    ),
    "refused by the store": Cure(
        "The response was taken back while it was being made, as it should be, or is too large for the store.",
        "Ask again; if it comes each time, raise the store's `max_bytes`, or take back less.",
    ),
    "the store's lookup failed": Cure(_OUTAGE, "Bring it back; requests are answered by the application meanwhile."),
    "the store's commit failed": Cure(_OUTAGE, "Bring it back, or let its user write as well as read."),
    "stale-if-error": Cure(
        "The application failed, and the client got the last good response in its place.",
        "The log has the error.",
        "RFC 5861 §4",
    ),
    "only-if-cached": Cure(
        "The request asked for what is stored and nothing else, and nothing is.",
        "Ask without `only-if-cached`.",
        "RFC 9111 §5.2.1.7",
    ),
}
"""What stands in `detail` of Cache-Status, with `…` for what is filled in."""

FORWARDED: Final[Mapping[str, Cure]] = {
    "uri-miss": Cure(
        "Nothing is stored for this URL.",
        "Ask again: this request may have filled the cache. If it comes each time, another reason stands beside it.",
    ),
    "vary-miss": Cure(
        "What is stored for this URL is for requests with other values of the fields that its `Vary` names.",
        "Name fewer fields in `Vary`; a field with many values, such as `User-Agent`, makes a copy for each.",
        "RFC 9111 §4.1",
    ),
    "miss": Cure(
        "What was stored has been taken back, or the store failed.",
        "If it is taken back all the time, a tag that each write takes back is too coarse for pages that show one row.",
    ),
    "stale": Cure(
        "What is stored is past its time, or was taken back softly.",
        "Say a longer time, or `stale_while_revalidate=60`, which serves it while it is made anew.",
        "RFC 9111 §4.2.4",
    ),
    "request": Cure(
        "What is stored is not for this request: by the codings that it accepts, by its cookies or credentials, or"
        " for it asks for something newer.",
        "By codings, ask again: the next is answered. By cookies, say `cache_for(60)` where the response is the same"
        " for all. By credentials, such as `Authorization`, and only then, say `cache_for(60, public=True)` where it is"
        " the same for all who may ask. By what it asks for, nothing.",
        "RFC 9111 §4",
    ),
    "method": Cure(
        "The method is not one that is answered from the store.",
        'A `POST` that only asks says `@cached(60, methods=["POST"])`.',
        "RFC 9111 §4",
    ),
    "bypass": Cure(
        "The request passes the cache by: for its content, an upgrade, a condition that only the application can"
        " judge, a `partition` of None, or `enabled=False`.",
        "Look at what it passes by for.",
    ),
}
"""What stands in `fwd` of Cache-Status: why the application was asked."""

UNFIT: Final[Mapping[str, Cure]] = {
    "codings": Cure(
        "What is stored was made for a client that does not accept gzip, and this one does.",
        "Nothing needs to be done: the next request with these codings is answered. Where the response differs by them,"
        " name `Accept-Encoding` in `Vary`.",
        "RFC 9110 §12.5.3",
    ),
    "cookies": Cure(
        "What is stored answers no request with cookies: nothing says that it is not for one visitor alone.",
        "Say `cache_for(60)` or `s-maxage` where it is the same for all. `ignore_cookies` and `keep_cookies` leave out"
        " cookies that the application does not read.",
    ),
    "credentials": Cure(
        "What is stored answers no request that says who asks.",
        "Say `cache_for(60, public=True)` where the response is the same for all who may ask, or give each their own"
        " `partition`.",
        "RFC 9111 §3.5",
    ),
}
"""What stands in `unfit` of Accelerator-Debug: by what a stored response is not for a request."""

NEWER: Final = Cure(
    "The request asks by its `Cache-Control` for something newer than what is stored.",
    "Nothing needs to be done.",
    "RFC 9111 §5.2.1",
)
"""The other cause of `fwd=request`."""

COUNTED: Final[Mapping[str, Cure]] = {
    "other": Cure("So many reasons have come that not all are told apart.", "The latest requests say theirs.")
}
"""What stands in the figures alone."""


def cure_of(detail: str) -> Cure | None:
    """Return the cure of a reason as `detail` of Cache-Status says it, None if there is no such reason."""
    return CURES.get(detail) or CURES.get(heading_of(detail))


def heading_of(detail: str) -> str:
    """Return a reason as docs/troubleshooting.md has it in a heading, `""` if there is no such reason."""
    if detail in CURES:
        return detail
    return next((heading for heading, pattern in _patterns() if pattern.fullmatch(detail)), "")


@lru_cache(1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    filled_in = [heading for heading in CURES if "…" in heading]
    return [(heading, re.compile(re.escape(heading).replace("…", ".+"))) for heading in filled_in]
