"""What is to be filled, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from accelerator.rules.reuse import Decision
from accelerator.rules.validation import conditions

if TYPE_CHECKING:
    from accelerator.engine.flight import Flight
    from accelerator.rules.entry import Entry
    from accelerator.rules.reuse import Purpose
    from accelerator.stores.protocol import Lookup


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be filled, and why.

    Attributes:
        found: the lookup that led here: its mark is the fill's.
        decision: FILL, or VALIDATE where the request carries the validators of the stored entry.
        flight: what requests for the same thing wait for.
        fwd: why the application is called, in the words of RFC 9211 §2.2.
        purpose: why it is called, which decides whether its errors may be hidden.
    """

    found: Lookup
    decision: Decision
    flight: Flight
    fwd: str
    purpose: Purpose

    @property
    def stale(self) -> Entry | None:
        """The stored entry that may stand in for an error, and that a 304 confirms; None if there is none."""
        return self.found.entry if self.flight.place.is_stored else None

    @property
    def is_validation(self) -> bool:
        """Whether the request carries the validators of the stored entry."""
        return self.decision is Decision.VALIDATE

    def conditions(self) -> list[tuple[bytes, bytes]]:
        """Return the conditions that the application is sent."""
        stale = self.stale
        return conditions(stale) if stale is not None and self.is_validation else []

    def without_conditions(self) -> Task:
        """Return the same task without validation: the 304 was of no use."""
        return replace(self, decision=Decision.FILL)
