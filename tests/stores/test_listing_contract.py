"""The contract of listing itself: it asks no more than the protocol does, and what breaks the protocol fails it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from accelerator import MemoryStore
from accelerator.stores import Listed
from accelerator.stores.listing import HIDDEN
from accelerator.testing import ListingContract, contract_listing, make_entry, make_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerator.stores import EntryFacts


class Listing(MemoryStore):
    """A store whose calls tell of entries what `told` makes of it."""

    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return facts

    async def list_entries(self, **asked: Any) -> Listed:
        listed = await super().list_entries(**asked)
        told = [self.told(facts, asked) for facts in listed.entries]
        return listed._replace(entries=tuple(facts for facts in told if facts is not None))


class Far(Listing):
    """What was taken back is not listed, some of all else is listed twice, and each call waits."""

    suspends = True

    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return facts if facts.is_usable else None

    async def list_entries(self, **asked: Any) -> Listed:
        await checkpoint()
        listed = await super().list_entries(**asked)
        return listed._replace(entries=(*listed.entries, *listed.entries[:1]), examined=listed.examined + 1)


class TestFar(ListingContract):
    @pytest.fixture
    def store(self) -> Far:
        return Far()


class ForgetsSizes(Listing):
    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return facts._replace(size=0)


class LeavesOutWhatIsLong(Listing):
    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return facts if len(facts.tags) < 100 else None


class TakesAllForPages(Listing):
    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return facts._replace(method="GET")


class TellsValues(Listing):
    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        values = tuple(contract_listing.HIDE if value == HIDDEN else value for value in facts.selected_by)
        return facts._replace(selected_by=values)


class TellsUrlsAsTheyCame(Listing):
    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return facts._replace(url=facts.url.replace("%1B", "\x1b"))


class Invents(Listing):
    async def list_entries(self, **asked: Any) -> Listed:
        other = MemoryStore()
        await other.commit(make_entry(make_request(), 0))
        return await other.list_entries()


class KnowsNoPartitions(Listing):
    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return None if facts.partition and asked.get("url") else facts


class LooksAtNoTagOfAUrl(Listing):
    async def list_entries(self, **asked: Any) -> Listed:
        return await super().list_entries(**asked | ({"tag": None} if asked.get("url") else {}))


class BelievesAll(Listing):
    def told(self, facts: EntryFacts, asked: dict[str, Any]) -> EntryFacts | None:
        return facts._replace(is_usable=True, is_fresh=True)


class HasNoLimit(Listing):
    async def list_entries(self, **asked: Any) -> Listed:
        return await super().list_entries(**asked | {"limit": 1000})


class CountsPlaces(Listing):
    """The cursor is the number of those that were listed before, and of which some have gone meanwhile."""

    async def list_entries(self, *, cursor: str | None = None, limit: int = 100, **asked: Any) -> Listed:
        listed = await super().list_entries(limit=1000, **asked)
        usable = sorted([facts for facts in listed.entries if facts.is_usable], key=lambda facts: -facts.size)
        first = int(cursor or 0)
        cursor = str(first + limit) if first + limit < len(usable) else None
        return Listed(tuple(usable[first : first + limit]), cursor, limit)


class TakesAnything(Listing):
    async def list_entries(self, **asked: Any) -> Listed:
        try:
            return await super().list_entries(**asked)
        except (TypeError, ValueError):
            return Listed((), None, 0)


class BelievesCursors(Listing):
    async def list_entries(self, **asked: Any) -> Listed:
        part, _, number = (asked.get("cursor") or "0.0").partition(".")
        assert len(self._tables.resources[int(part)]) >= int(number)
        return await super().list_entries(**asked)


class TakesBackWhatItLists(Listing):
    async def list_entries(self, **asked: Any) -> Listed:
        listed = await super().list_entries(**asked)
        await self.invalidate_tag("x", soft=True)
        return listed


class Waits(Listing):
    async def list_entries(self, **asked: Any) -> Listed:
        await checkpoint()
        return await super().list_entries(**asked)


FAULTS: list[tuple[Callable[[], MemoryStore], str]] = [
    (ForgetsSizes, "an_entry_is_listed_as_it_was_stored"),
    (LeavesOutWhatIsLong, "an_entry_with_many_lines_and_tags_is_listed"),
    (TakesAllForPages, "a_question_in_the_content_is_told_from_a_page"),
    (TellsValues, "no_credential_is_told"),
    (TellsUrlsAsTheyCame, "what_strangers_send_is_told_as_plain_text"),
    (Invents, "an_empty_store_lists_nothing"),
    (KnowsNoPartitions, "with_a_url_all_is_listed_that_taking_it_back_concerns"),
    (LooksAtNoTagOfAUrl, "with_a_tag_all_is_listed_that_taking_it_back_concerns"),
    (BelievesAll, "what_was_taken_back_is_not_listed_as_usable"),
    (HasNoLimit, "a_call_lists_no_more_than_it_is_asked_for_and_a_bundle"),
    (CountsPlaces, "what_is_there_all_the_while_is_listed"),
    (TakesAnything, "a_call_that_makes_no_sense_is_an_error"),
    (BelievesCursors, "a_forged_cursor_does_no_harm"),
    (TakesBackWhatItLists, "to_list_changes_nothing"),
    (Waits, "a_store_that_says_so_never_suspends"),
]


@pytest.mark.parametrize(("store", "test"), FAULTS, ids=[f"{store.__name__}-{test}" for store, test in FAULTS])
def test_the_contract_finds_the_fault(store: Callable[[], MemoryStore], test: str) -> None:
    async def run() -> None:
        await getattr(ListingContract(), f"test_{test}")(store())

    with pytest.raises((AssertionError, IndexError, ValueError, pytest.fail.Exception)):
        anyio.run(run)


def test_each_test_of_the_contract_finds_a_fault() -> None:
    names = {name.removeprefix("test_") for name in dir(ListingContract) if name.startswith("test_")}
    assert {test for _, test in FAULTS} == names
