"""The contract itself: it asks no more than the protocol does, and what breaks the protocol fails it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from accelerator import Lookup, MemoryStore, Store
from accelerator.stores import LooksUpInThreads
from accelerator.stores.memory.records import Record, Variants
from accelerator.tags import ALL
from accelerator.testing import StoreContract, contract, make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable

    from accelerator.http.request import Key, Request
    from accelerator.rules.entry import Entry
    from accelerator.stores import ReadyEntry


@dataclass(frozen=True)
class Ticket:
    """A mark that only its store can read."""

    number: int


class FarStore(Store):
    """A store as one behind a network is: each call waits, and marks are no numbers."""

    def __init__(self) -> None:
        self.memory = MemoryStore()

    async def lookup(self, request: Request) -> Lookup:
        await checkpoint()
        found = await self.memory.lookup(request)
        await checkpoint()
        entry = replace(found.entry, mark=Ticket(found.entry.mark)) if found.entry is not None else None
        return found._replace(mark=Ticket(found.mark), entry=entry)

    async def commit(self, entry: Entry) -> bool:
        await checkpoint()
        stored = await self.memory.commit(replace(entry, mark=entry.mark.number))
        await checkpoint()
        return stored

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        with anyio.CancelScope(shield=True):
            await checkpoint()
            await self.memory.invalidate(tags, soft=soft)
            await checkpoint()


class TestFarStore(StoreContract):
    @pytest.fixture
    def store(self) -> FarStore:
        return FarStore()


STEPS = 20


class SlowInvalidations(FarStore):
    """An invalidation goes on by itself when its caller has left."""

    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        super().__init__()
        self.group = group

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        done = anyio.Event()

        async def run() -> None:
            for _ in range(STEPS):  # a caller that is cancelled has left by then
                await checkpoint()
            await self.memory.invalidate(tags, soft=soft)
            done.set()

        self.group.start_soon(run)
        await done.wait()


@pytest.mark.anyio
async def test_an_invalidation_may_go_on_behind_a_cancelled_caller() -> None:
    async with anyio.create_task_group() as group:
        store = SlowInvalidations(group)
        await StoreContract().test_an_invalidation_runs_to_its_end_if_its_caller_is_cancelled(store)


# --- faults -----------------------------------------------------------------------------------------------------------


class MarksAtStoring(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        return await super().commit(replace(entry, mark=self._position))


class RefusesWheneverSomethingHappened(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        return entry.mark == self._position and await super().commit(entry)


class NeverRefuses(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        await super().commit(entry)
        return True


class IgnoresSoft(MemoryStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        if not soft:
            await super().invalidate(tags, soft=False)


class TakesSoftForHard(MemoryStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await super().invalidate(tags, soft=False)


class SoftReplacesHard(MemoryStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await super().invalidate(tags, soft=soft)
        if soft:
            self._log.update((hash(tag), (0, self._position)) for tag in tags)


class TakesBackTheFirstTagOnly(MemoryStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await super().invalidate([*tags][:1], soft=soft)


class TakesNothingForEverything(MemoryStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await super().invalidate(tags or [ALL], soft=soft)


class FoldsCase(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        return await super().commit(replace(entry, tags=frozenset(tag.lower() for tag in entry.tags)))

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await super().invalidate([tag.lower() for tag in tags], soft=soft)


class KeepsFewTags(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        return await super().commit(replace(entry, tags=frozenset(sorted(entry.tags)[:900])))


class ChecksNoNames(MemoryStore):
    async def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        await self.invalidate([tag for tag in tags if isinstance(tag, str)], soft=soft)


class ChecksNameByName(MemoryStore):
    async def invalidate_tag(self, *tags: str | Iterable[str], soft: bool = False) -> None:
        for tag in tags:
            await super().invalidate_tag(tag, soft=soft)


class ChecksNoUrls(MemoryStore):
    async def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        await self.invalidate([f"@url:{url!r}"], soft=soft)


class TakesBackUrlsThatAreStored(MemoryStore):
    async def invalidate_url(self, url: str, *, soft: bool = False) -> None:
        if self._tables.find(make_request(url).key) is not None:
            await super().invalidate_url(url, soft=soft)


class ClearsOnlyWhatIsThere(MemoryStore):
    async def clear(self) -> None:
        self._begin()


class ClearsSoftly(MemoryStore):
    async def clear(self) -> None:
        await self.invalidate([ALL], soft=True)


class ForgetsWhenEverythingIsMadeStale(MemoryStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await super().invalidate(tags, soft=soft and ALL not in tags)


class LastCommitWins(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        self._tables._part_of(entry.key).pop(entry.key, None)
        return await super().commit(entry)


class FirstCommitWins(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        return self._tables.instead_of(entry) is None and await super().commit(entry)


class NeverGivesWay(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        record = self._tables.instead_of(entry)
        return not (record and record.mark > entry.mark) and await super().commit(entry)


class JoinsTheKey(MemoryStore):
    """What a store does that keeps entries under the text of their key."""

    def joined(self, key: Any) -> Any:
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in key]
        return ("", b"", b"".join(parts), "", b"", "", "", b"")

    async def lookup(self, request: Request) -> Lookup:
        alias = make_request()
        alias.key = self.joined(request.key)
        return await super().lookup(alias)

    async def commit(self, entry: Entry) -> bool:
        return await super().commit(replace(entry, key=self.joined(entry.key)))


class TakesAbsentForEmpty(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        fields = [(name, (request.get(name.encode()) or b"").decode()) for name in ("accept", "accept-language")]
        alias = make_request(request.url, fields)
        alias.key = request.key
        return await super().lookup(alias)


class TellsNoVary(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        found = await super().lookup(request)
        return found if found.entry is not None else found._replace(vary=None)


class KnowsTooMuch(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        found = await super().lookup(request)
        return found._replace(vary=found.vary or ())


class NamesWhatIsStale(MemoryStore):
    def ready_entry(self, key: Key, request: Any, selecting_values: Any) -> ReadyEntry | None:
        found = self._tables.find(key)
        return found.unfolded() if isinstance(found, Record) else None


class FindsWhatIsStaleInThreads(LooksUpInThreads, MemoryStore):
    def lookup_here(self, request: Request) -> Lookup | None:
        found = self._tables.find(request.key)
        return Lookup(found.unfolded().entry, self._position, False, ()) if isinstance(found, Record) else None


class TellsWhatTheFoundVariesOn(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        found = await super().lookup(request)
        return found if found.entry is None else found._replace(vary=found.entry.vary)


class OldestVariantFirst(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        found = self._tables.find(request.key)
        if isinstance(found, Variants):
            found.groups = tuple(sorted(found.groups, key=itemgetter(0)))
        return await super().lookup(request)


class ChangesHeaders(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        return await super().commit(replace(entry, headers=tuple(dict(entry.headers).items())))


class GivesMarksFromTheEndOfTime(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        return (await super().lookup(request))._replace(mark=2**60)


class GivesMarksFromTheBeginning(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        return (await super().lookup(request))._replace(mark=0)


class ForgetsOnLookup(MemoryStore):
    async def lookup(self, request: Request) -> Lookup:
        found = await super().lookup(request)
        self._begin()
        return found


class CancelledWithItsCaller(FarStore):
    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        await checkpoint()
        await checkpoint()
        await self.memory.invalidate(tags, soft=soft)


class ReturnsTooEarly(FarStore):
    """An invalidation is done only some lookups later."""

    def __init__(self) -> None:
        super().__init__()
        self.lookups = 0
        self.pending: list[tuple[int, Callable[[], Coroutine[Any, Any, None]]]] = []

    async def lookup(self, request: Request) -> Lookup:
        self.lookups += 1
        while self.pending and self.pending[0][0] < self.lookups:
            await self.pending.pop(0)[1]()
        return await super().lookup(request)

    async def invalidate(self, tags: Collection[str], *, soft: bool) -> None:
        self.pending.append((self.lookups + 6, functools.partial(self.memory.invalidate, tags, soft=soft)))


class MixesAnswers(FarStore):
    """Lookups that wait at the same moment take what comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Lookup] = []

    async def lookup(self, request: Request) -> Lookup:
        self.answers.append(await super().lookup(request))
        await checkpoint()
        return self.answers.pop()


class LosesAnAnswerWhenCancelled(FarStore):
    """A cancelled request leaves its answer on the connection for the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.connection: list[Lookup] = []

    async def lookup(self, request: Request) -> Lookup:
        self.connection.append(await super().lookup(request))
        if len(self.connection) == 1:
            await checkpoint()
        return self.connection.pop(0)


class SuspendsUnsaid(FarStore):
    suspends = False


class SaysNothingOfCommits(MemoryStore):
    async def commit(self, entry: Entry) -> bool:
        return bool(await super().commit(entry)) or None  # type: ignore[return-value]  # that is the fault


class GivesOthersMarks(MemoryStore):
    """The mark of a found entry is of another kind than those it takes."""

    async def lookup(self, request: Request) -> Lookup:
        found = await super().lookup(request)
        return found._replace(entry=found.entry and replace(found.entry, mark=-1))


FAULTS: list[tuple[Callable[[], Store], str]] = [
    (MarksAtStoring, "an_invalidation_during_a_fill_keeps_it_out"),
    (MarksAtStoring, "one_tag_taken_back_during_a_fill_is_enough"),
    (MarksAtStoring, "soft_never_weakens_hard_for_a_running_fill"),
    (MarksAtStoring, "a_soft_invalidation_during_a_fill_leaves_nothing_fresh"),
    (MarksAtStoring, "a_smaller_mark_never_replaces_a_usable_entry"),
    (MarksAtStoring, "no_interleaving_shows_data_from_before_an_invalidation_that_returned"),
    (RefusesWheneverSomethingHappened, "an_invalidation_of_other_tags_during_a_fill_does_not_matter"),
    (RefusesWheneverSomethingHappened, "an_older_mark_is_only_more_cautious"),
    (NeverRefuses, "an_invalidation_during_a_fill_keeps_it_out"),
    (IgnoresSoft, "soft_never_weakens_hard_in_any_order"),
    (IgnoresSoft, "a_soft_invalidation_during_a_fill_leaves_nothing_fresh"),
    (TakesSoftForHard, "soft_never_weakens_hard_in_any_order"),
    (TakesSoftForHard, "a_stale_entry_is_still_found"),
    (SoftReplacesHard, "soft_never_weakens_hard_for_a_running_fill"),
    (TakesBackTheFirstTagOnly, "several_tags_are_taken_back_at_once"),
    (TakesNothingForEverything, "no_tag_takes_nothing_back"),
    (FoldsCase, "tags_are_compared_to_the_letter"),
    (KeepsFewTags, "an_entry_may_have_a_thousand_tags"),
    (ChecksNoNames, "a_name_that_no_tag_can_have_is_refused"),
    (ChecksNameByName, "a_name_that_no_tag_can_have_is_refused"),
    (ChecksNoUrls, "what_is_no_absolute_url_is_refused"),
    (ChecksNoUrls, "invalidating_a_url_takes_back_each_variant"),
    (TakesBackUrlsThatAreStored, "invalidating_a_url_refuses_a_running_fill_of_any_variant"),
    (ClearsOnlyWhatIsThere, "clearing_refuses_running_fills"),
    (ClearsSoftly, "clearing_takes_back_everything"),
    (ForgetsWhenEverythingIsMadeStale, "everything_can_be_made_stale"),
    (LastCommitWins, "a_smaller_mark_never_replaces_a_usable_entry"),
    (LastCommitWins, "variants_live_side_by_side"),
    (FirstCommitWins, "an_equal_or_larger_mark_replaces"),
    (FirstCommitWins, "what_is_made_anew_after_an_invalidation_is_fresh"),
    (NeverGivesWay, "an_unusable_entry_gives_way_to_a_smaller_mark"),
    (JoinsTheKey, "the_whole_key_is_compared"),
    (TakesAbsentForEmpty, "variants_live_side_by_side"),
    (TellsNoVary, "what_a_url_varies_on_is_told_where_the_variant_is_missing"),
    (TellsWhatTheFoundVariesOn, "what_the_newest_variant_varies_on_is_told_where_an_older_one_is_found"),
    (OldestVariantFirst, "the_newest_variant_that_fits_is_found"),
    (ChangesHeaders, "an_entry_comes_back_as_it_was_committed"),
    (GivesMarksFromTheEndOfTime, "an_invalidation_during_a_fill_keeps_it_out"),
    (GivesMarksFromTheBeginning, "an_invalidation_before_a_fill_does_not_matter"),
    (ForgetsOnLookup, "what_is_found_is_fresh_until_it_is_taken_back"),
    (ForgetsOnLookup, "every_entry_with_the_tag_is_taken_back_and_no_other"),
    (CancelledWithItsCaller, "an_invalidation_runs_to_its_end_if_its_caller_is_cancelled"),
    (ReturnsTooEarly, "no_interleaving_shows_data_from_before_an_invalidation_that_returned"),
    (MixesAnswers, "simultaneous_lookups_get_their_own_answers"),
    (LosesAnAnswerWhenCancelled, "simultaneous_lookups_get_their_own_answers"),
    (SuspendsUnsaid, "a_store_that_says_so_never_suspends"),
    (SaysNothingOfCommits, "clearing_refuses_running_fills"),
    (GivesOthersMarks, "a_found_entry_can_be_committed_again_with_its_own_mark"),
    (KnowsTooMuch, "an_unknown_url_is_a_miss"),
    (NamesWhatIsStale, "what_is_ready_is_what_a_lookup_finds_fresh"),
    (FindsWhatIsStaleInThreads, "what_a_thread_finds_by_itself_is_what_a_lookup_finds"),
]


@pytest.mark.parametrize(("store", "test"), FAULTS, ids=[f"{store.__name__}-{test}" for store, test in FAULTS])
def test_the_contract_finds_the_fault(store: Callable[[], Store], test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "PATIENCE", 0.05)
    with pytest.raises((AssertionError, pytest.fail.Exception, ExceptionGroup)) as caught:
        anyio.run(getattr(StoreContract(), f"test_{test}"), store())
    if isinstance(caught.value, ExceptionGroup):
        assert caught.group_contains(AssertionError)


def test_each_test_of_the_contract_finds_a_fault() -> None:
    names = {name.removeprefix("test_") for name in dir(StoreContract) if name.startswith("test_")}
    assert {test for _, test in FAULTS} == names
