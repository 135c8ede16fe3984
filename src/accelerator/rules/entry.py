"""A stored response, and what a client gets of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from accelerator.http.request import COOKIE, Key, Request, Vary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator.http import fields


Mark: TypeAlias = Any
"""The last position when a fill began. Each store has its own kind; nobody else looks into it."""

VALIDATION_GRACE: Final = 3600
"""Seconds at least for which an entry is kept past its time if the application can be asked whether it still holds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored response. It never changes; freshening makes another one.

    Attributes:
        key: the key of the request it answered.
        vary: the request fields it varies on.
        selected_by: their values in that request.
        status: the status code.
        headers: the header lines as the application sent them, less tags and what concerns one connection.
        added: what the cache adds to them for clients: an ETag, the word that makes browsers ask.
        body: the whole body.
        tags: what it was made from, with the library's own tags of its URL and of everything.
        mark: the last position when its making began, by the reckoning of the store that gave it.
        received: when its response started, in seconds since the epoch.
        initial_age: its age then, in seconds (RFC 9111 §4.2.3).
        lifetime: seconds for which it is fresh (RFC 9111 §4.2.1).
        stale_while_revalidate: seconds after that, see RFC 5861 §3.
        stale_if_error: seconds after that, see RFC 5861 §4.
        never_stale: it may not be served stale, whatever the client takes (RFC 9111 §4.2.4).
        for_cookies: it may answer requests that carry cookies.
        for_credentials: it may answer requests that say who asks by Authorization or the like (RFC 9111 §3.5).
        for_codings: it may answer requests that ask for content codings.
        etag: the entity tag by which clients may ask for it.
        validator: the application's own ETag, None if it has none or the cache added it.
        last_modified: the application's own Last-Modified.
    """

    key: Key
    vary: Vary
    selected_by: tuple[bytes | None, ...]
    status: int
    headers: fields.HeaderLines
    added: fields.HeaderLines
    body: bytes
    tags: frozenset[str]
    mark: Mark
    received: float
    initial_age: float
    lifetime: float
    stale_while_revalidate: float
    stale_if_error: float
    never_stale: bool
    for_cookies: bool
    for_credentials: bool
    for_codings: bool
    etag: bytes | None
    validator: bytes | None
    last_modified: bytes | None

    @property
    def useful_until(self) -> float:
        """When it is past all use, in seconds since the epoch: not fresh, not servable stale, not to be validated."""
        grace = max(self.stale_while_revalidate, self.stale_if_error)
        if self.validator is not None or self.last_modified is not None:
            grace = max(grace, self.lifetime, VALIDATION_GRACE)
        return self.received - self.initial_age + self.lifetime + grace

    def may_answer(self, request: Request) -> bool:
        """Tell whether it may answer a request with these credentials, and with these codings."""
        audience = request.audience
        if audience and not (
            (self.for_cookies or audience[0] != COOKIE) and (self.for_credentials or audience[-1] == COOKIE)
        ):
            return False
        return self.for_codings or not request.takes_codings


class Answer(NamedTuple):
    """What a client gets of a stored response.

    Attributes:
        status: the status code.
        headers: the header lines.
        body: the body, empty for a HEAD.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
