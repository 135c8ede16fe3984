"""What a fill is to do: for which lookup, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from accelerator.rules.reuse import Decision, Purpose
from accelerator.rules.validation import conditions

if TYPE_CHECKING:
    from accelerator.engine.flight import Flight
    from accelerator.rules.entry import Entry
    from accelerator.stores.protocol import Lookup


class Task(NamedTuple):
    """What a fill is to do, and why.

    Attributes:
        found: the lookup of the request; the fill takes its mark.
        decision: FILL, or VALIDATE if the application is sent the validators of the stored entry.
        flight: the flight that requests for the same entry wait for.
        fwd: why the application is called, as a `fwd` value of Cache-Status (RFC 9211 §2.2).
        purpose: why it is called, which decides whether its errors may be hidden.
    """

    found: Lookup
    decision: Decision
    flight: Flight
    fwd: str
    purpose: Purpose

    @property
    def stale(self) -> Entry | None:
        """The stored entry that may be served in place of an error, and that a 304 confirms; None if there is none."""
        return self.found.entry if self.flight.place.is_stored else None

    @property
    def is_validation(self) -> bool:
        """Whether the application is sent the validators of the stored entry."""
        return self.decision is Decision.VALIDATE

    @property
    def is_in_background(self) -> bool:
        """Whether no client waits for the response."""
        return self.purpose is Purpose.BACKGROUND_REFRESH

    def conditions(self) -> list[tuple[bytes, bytes]]:
        """Return the header lines of the conditional request to the application, none for an unconditional one."""
        return conditions(self.stale) if self.is_validation and self.stale is not None else []

    def without_conditions(self) -> Task:
        """Return the same task without conditions, to be done after a 304 that cannot be used."""
        return self._replace(decision=Decision.FILL)
