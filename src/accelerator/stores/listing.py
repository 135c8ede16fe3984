"""Stores that list their entries: what operators are shown of each, a bounded part of the store with each call."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from accelerator.http.request import has_content, url_of
from accelerator.http.request_fields import ORDINARY, PARTIAL_PAGE_FIELDS, TARGET_FIELDS
from accelerator.tags import tag_of_url, valid_tag

if TYPE_CHECKING:
    from accelerator.http.request import Key
    from accelerator.rules.entry import Entry

MAX_LIMIT: Final = 1000
"""Number of entries that a call may be asked for."""

MAX_SHOWN: Final = 256
"""Characters of the value of a field that are shown."""

ABSENT: Final = "(absent)"
HIDDEN: Final = "(hidden)"
"""What stands for the value of a selecting header field that the request did not have, or that nobody is shown."""

_SHOWN: Final = ORDINARY.union(PARTIAL_PAGE_FIELDS, TARGET_FIELDS)
_URI: Final = "".join(map(chr, range(0x21, 0x7F)))
_CURSOR: Final = re.compile(r"\d{1,20}(?:\.\d{1,20})*", re.ASCII)


class EntryFacts(NamedTuple):
    """What operators are shown of a stored entry: neither its body nor a credential, nor the name of a partition.

    Attributes:
        url: its absolute URL, in which characters that no URL may have are escaped. `Store.invalidate_url` takes it.
        method: `GET`, or `QUERY or POST` if the content of the request is part of its key.
        status: the status code.
        vary: the names of its selecting header fields, in lower case.
        selected_by: their values, cut to 256 characters; `(absent)` for none. Where the field is not one that is
            known to have no credentials, it is `(hidden)`.
        tags: the tags that the application has given it, sorted.
        size: the bytes of its body.
        received: when the response was received, in seconds since the epoch.
        initial_age: its age at that time, in seconds.
        lifetime: its freshness lifetime in seconds.
        stale_while_revalidate: seconds after it in which it may be served while it is refreshed.
        stale_if_error: seconds after it in which it may replace an error.
        is_usable: whether it was not invalidated hard. Its age is not looked at.
        is_fresh: whether it was not invalidated softly either. Its age is not looked at.
        etag: the entity tag that clients get, None if there is none.
        partition: whether it is for requests of one partition only.
        made_in: the seconds that the application took for it.
        route: the template of the route that made it, such as `/users/{id}`; `""` if that is not known.
    """

    url: str
    method: str
    status: int
    vary: tuple[str, ...]
    selected_by: tuple[str, ...]
    tags: tuple[str, ...]
    size: int
    received: float
    initial_age: float
    lifetime: float
    stale_while_revalidate: float
    stale_if_error: float
    is_usable: bool
    is_fresh: bool
    etag: str | None
    partition: bool
    made_in: float
    route: str


class Listed(NamedTuple):
    """What a call has listed.

    Attributes:
        entries: the entries, in no order.
        cursor: what the next call is given to go on; None at the end.
        examined: the number of entries that were looked at.
    """

    entries: tuple[EntryFacts, ...]
    cursor: str | None
    examined: int


class ListsEntries(ABC):
    """A store that can list its entries. `accelerator.testing.ListingContract` tests a store for it."""

    @abstractmethod
    async def list_entries(
        self, *, url: str | None = None, tag: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Listed:
        """List entries: those of a URL, those with a tag, those with both, or all.

        A call looks at a few thousand entries at most, and may find none of them. Call it again with the cursor that it
        has returned, until that is None: each entry that is there all the while is listed then. Some may be listed
        twice; those that are stored, or replaced, meanwhile may be missing. An entry that was taken back is listed as
        not usable for as long as the store keeps it, or not at all.

        Args:
            url: an absolute http or https URL. All that `Store.invalidate_url` would take back is listed, whatever
                scheme, variant or partition it is of.
            tag: a tag.
            cursor: where to go on, with the same URL and tag.
            limit: the number of entries after which a call ends, 1 to 1000. It lists a few more where entries come in
                bundles, such as the variants of a URL.

        Raises:
            TypeError: an argument is of a wrong type.
            ValueError: it is not an absolute http or https URL, not valid for a tag, no cursor of such a store, or the
                limit is out of its range.
        """
        ...


def wanted_tags(url: str | None, tag: str | None, limit: int) -> tuple[str, ...]:
    """Return the tags that an entry has to have to be listed: the library's own of a URL, and that of the application.

    Raises:
        TypeError, ValueError: see `ListsEntries.list_entries`.
    """
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit is an int, not {type(limit).__name__}")
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit is 1 to {MAX_LIMIT}, not {limit}")
    of_url = () if url is None else (tag_of_url(url),)
    return of_url if tag is None else (*of_url, valid_tag(tag))


def numbers_in(cursor: str | None, count: int) -> tuple[int, ...]:
    """Return so many numbers of 64 bits that a cursor has, such as `3.17`; zeros for None.

    Raises:
        TypeError: the cursor is not a `str`.
        ValueError: it does not have so many.
    """
    if cursor is None:
        return (0,) * count
    if not isinstance(cursor, str):
        raise TypeError(f"a cursor is a str, not {type(cursor).__name__}")
    numbers = tuple(map(int, cursor.split("."))) if _CURSOR.fullmatch(cursor) else ()
    if len(numbers) != count or max(numbers) >= 2**64:
        raise ValueError(f"a cursor is what the call before has returned, not {cursor!r:.80}")
    return numbers


def likely_keys(url: str) -> list[Key]:
    """Return the keys that the entries of a URL have, for either scheme, if nothing but the URL is part of them."""
    parts = urlsplit(url)
    host, path, query = parts.netloc.lower().encode(), parts.path or "/", parts.query.encode()
    return [(scheme, host, path.encode(), unquote(path), query, "", "", b"") for scheme in ("https", "http")]


def facts_of(entry: Entry, size: int, *, is_usable: bool, is_fresh: bool) -> EntryFacts:
    """Return what operators are shown of an entry.

    Args:
        entry: the entry; its body is not looked at.
        size: the bytes of its body.
        is_usable: whether it was not invalidated hard.
        is_fresh: whether it was not invalidated softly.
    """
    return EntryFacts(
        url=quote(url_of(entry.key).encode("utf-8", "surrogateescape"), safe=_URI),
        method="QUERY or POST" if has_content(entry.key) else "GET",
        status=entry.status,
        vary=tuple(map(_text, entry.vary)),
        selected_by=tuple(map(_shown, entry.vary, entry.selected_by)),
        tags=tuple(sorted(tag for tag in entry.tags if tag[0] != "@")),
        size=size,
        received=entry.received,
        initial_age=entry.initial_age,
        lifetime=entry.lifetime,
        stale_while_revalidate=entry.stale_while_revalidate,
        stale_if_error=entry.stale_if_error,
        is_usable=is_usable,
        is_fresh=is_usable and is_fresh,
        etag=None if entry.etag is None else _text(entry.etag),
        partition=bool(entry.key[6]),
        made_in=entry.made_in,
        route=entry.route,
    )


def _shown(name: bytes, value: bytes | None) -> str:
    """Return the value of a selecting header field as it is shown: nobody knows what unknown fields are for."""
    if value is None:
        return ABSENT
    return _text(value) if name in _SHOWN else HIDDEN


def _text(value: bytes) -> str:
    """Return a part of a message as text, cut. What is not UTF-8, or cannot be printed, is escaped."""
    text = value[: 4 * MAX_SHOWN].decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return text[:MAX_SHOWN]
