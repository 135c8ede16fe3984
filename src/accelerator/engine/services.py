"""What all requests of one accelerator share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerator.engine.budget import CopyBudget
    from accelerator.engine.flight import Flights
    from accelerator.engine.guard import Guard
    from accelerator.engine.report import Reporter
    from accelerator.options import Options


@dataclass(frozen=True, slots=True)
class Services:
    """What all requests of one accelerator share.

    Attributes:
        options: the options.
        store: the store, guarded: its failures cost hits, and never a request.
        flights: the running fills.
        budget: what their copies may take.
        reporter: Cache-Status, events and the log.
    """

    options: Options
    store: Guard
    flights: Flights
    budget: CopyBudget
    reporter: Reporter
