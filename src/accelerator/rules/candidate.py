"""A response that may be stored, with all that decides about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from accelerator.http.cache_control import CacheControl

if TYPE_CHECKING:
    from accelerator.http.request import Request, Vary
    from accelerator.http.response import Response
    from accelerator.notes import Notes
    from accelerator.options import Options


class Directives(NamedTuple):
    """The directives that count for a response.

    Attributes:
        control: the directives.
        is_targeted: a targeted field replaced Cache-Control and Expires (RFC 9213 §2.2).
    """

    control: CacheControl
    is_targeted: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A response that may be stored.

    Attributes:
        request: the request that it answers.
        response: its start.
        notes: what the application said of it.
        options: the options of the middleware.
        known_vary: the fields by which the newest stored response of this URL is chosen.
    """

    request: Request
    response: Response
    notes: Notes
    options: Options
    known_vary: Vary = ()

    def with_response(self, response: Response, known_vary: Vary) -> Candidate:
        """Return the candidate with another response in place of its own, as a 304 makes one of a stored response."""
        return replace(self, response=response, known_vary=known_vary)

    def directives(self) -> Directives:
        """Return the directives that count: those of the first valid targeted field, else of Cache-Control."""
        for field in self.options.targeted_fields:
            targeted = CacheControl.targeted(self.response.get(field.lower().encode("ascii")))
            if targeted is not None:
                return Directives(targeted, is_targeted=True)
        return Directives(CacheControl.parse(self.response.get(b"cache-control")), is_targeted=False)
