"""A response that may be stored, with everything that decides whether and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from accelerator.http.cache_control import CacheControl
from accelerator.http.fields import lowered

if TYPE_CHECKING:
    from accelerator.http.request import Request, Vary
    from accelerator.http.response import Response
    from accelerator.notes import Notes
    from accelerator.options import Options


class Directives(NamedTuple):
    """The cache directives that apply to a response.

    Attributes:
        control: the directives.
        is_targeted: whether a targeted field replaces Cache-Control and Expires (RFC 9213 §2.2).
    """

    control: CacheControl
    is_targeted: bool


class Candidate(NamedTuple):
    """A response that may be stored.

    Attributes:
        request: the request that it answers.
        response: its status and header lines.
        notes: what the application has declared about it with `cache_for`, `tag` and the like.
        options: the options of the middleware.
        known_vary: the selecting header fields of the newest stored response for this URL.
    """

    request: Request
    response: Response
    notes: Notes
    options: Options
    known_vary: Vary = ()

    def directives(self) -> Directives:
        """Return the directives that apply: those of the first valid targeted field, else those of Cache-Control."""
        for field in lowered(self.options.targeted_fields):
            if (targeted := CacheControl.targeted(self.response.get(field))) is not None:
                return Directives(targeted, is_targeted=True)
        return Directives(CacheControl.parse(self.response.get(b"cache-control")), is_targeted=False)
