"""What all requests of one accelerator share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerator.engine.budget import CopyBudget
    from accelerator.engine.flight import Flights
    from accelerator.engine.guard import Guard
    from accelerator.engine.report import Reporter
    from accelerator.engine.route import Routes
    from accelerator.engine.turns import Turns
    from accelerator.options import Options


@dataclass(frozen=True, slots=True)
class Services:
    """What all requests of one accelerator share.

    Attributes:
        options: the options of the middleware.
        store: the store without its exceptions: its failures cost hits, and never a request.
        flights: the running fills.
        turns: the turns of processes at filling, None if the store grants no leases.
        budget: limits the memory that copies of their responses take.
        reporter: reports by Cache-Status, events and warnings.
        routes: the routes of the application.
    """

    options: Options
    store: Guard
    flights: Flights
    turns: Turns | None
    budget: CopyBudget
    reporter: Reporter
    routes: Routes
