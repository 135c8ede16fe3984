"""Entries of a store in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from accelerator.stores.listing import EntryFacts


def described(entry: EntryFacts, now: float) -> dict[str, Any]:
    """Return what is known of an entry as JSON has it, with its age and the time that it has left.

    Args:
        entry: the entry.
        now: seconds since the epoch.
    """
    age = entry.initial_age + max(0.0, now - entry.received)
    ttl = entry.lifetime - age if entry.is_fresh else min(0.0, entry.lifetime - age)
    return {**entry._asdict(), "age": age, "ttl": ttl}


def in_order(entry: EntryFacts) -> tuple[Any, ...]:
    """Return what entries are sorted by."""
    return entry.url, entry.method, entry.vary, entry.selected_by, entry.partition


def state_of(facts: Mapping[str, Any]) -> str:
    """Return how old an entry is, and whether it may still be served."""
    age, ttl = f"{facts['age']:.0f} s old", facts["ttl"]
    if not facts["is_usable"]:
        return f"{age}, taken back"
    if not facts["is_fresh"]:
        return f"{age}, softly taken back"
    return f"{age}, fresh for {ttl:.0f} s" if ttl > 0 else f"{age}, stale for {-ttl:.0f} s"


def details_of(entry: EntryFacts) -> Iterator[tuple[str, str]]:
    """Yield what else is known of an entry, each with a label before it."""
    chosen = [f"{name}: {value}" for name, value in zip(entry.vary, entry.selected_by, strict=True)]
    if chosen:
        yield "chosen by", ", ".join(chosen)
    if entry.partition:
        yield "partition", "for requests of one partition only"
    if entry.stale_while_revalidate:
        yield "revalidated", f"served stale for {entry.stale_while_revalidate:g} s while it is made anew"
    if entry.stale_if_error:
        yield "on errors", f"stands in for {entry.stale_if_error:g} s"
    yield "tags", ", ".join(entry.tags) or "none"
