from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerator.notes import Notes


def told(notes: Notes) -> tuple[float | None, float | None, float | None, bool]:
    return notes.ttl, notes.stale_while_revalidate, notes.stale_if_error, notes.public
