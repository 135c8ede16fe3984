"""What a full store gives up: what nobody asked for again goes first, and what is used stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerator.stores.memory import eviction
from accelerator.stores.memory.eviction import Item, S3Fifo
from tests.stores.tables import check_queues, items_of


class Named(Item):
    """An item of size 1."""

    __slots__ = ("_name",)

    size = 1

    def __init__(self, name: int) -> None:
        super().__init__()
        self._name = name

    @property
    def name(self) -> int:
        return self._name


class Shelf:
    """Room for twenty items of size 1 that are asked for by name. Two of them fill the small queue."""

    room = 20

    def __init__(self) -> None:
        self.queues: S3Fifo[Named] = S3Fifo(self.room)
        self.held: dict[int, Named] = {}

    def ask_for(self, *names: int) -> None:
        for name in names:
            if name in self.held:
                self.held[name].used = True
            else:
                while len(self.held) >= self.room:
                    self.give_up()
                self._put(name, None)

    def give_up(self) -> int:
        item = self.queues.next_victim()
        self.remove(item.name, leave_ghost=not item.in_main)
        return item.name

    def replace(self, name: int) -> None:
        old = self.held[name]
        self.remove(name)
        self._put(name, old)

    def remove(self, name: int, *, leave_ghost: bool = False) -> None:
        self.queues.remove(self.held.pop(name), leave_ghost=leave_ghost)
        check_queues(self.queues)

    def walk(self, steps: int) -> list[int | None]:
        items = [self.queues.walk() for _ in range(steps)]
        return [None if item is None else item.name for item in items]

    @property
    def small(self) -> list[int]:
        """The names in the small queue, oldest first."""
        return [item.name for item in items_of(self.queues._small)]

    @property
    def main(self) -> list[int]:
        """The names in the main queue, oldest first."""
        return [item.name for item in items_of(self.queues._main)]

    def _put(self, name: int, replaced: Named | None) -> None:
        self.held[name] = item = Named(name)
        self.queues.add(item, replaced)
        check_queues(self.queues)


@pytest.fixture
def shelf() -> Shelf:
    """A full shelf: 0 to 17 are in the main queue, 19 and 20 on probation, and 18 has left a ghost."""
    shelf = Shelf()
    shelf.ask_for(*range(20))
    shelf.ask_for(*range(18))
    shelf.ask_for(20)
    assert (shelf.small, shelf.main) == ([19, 20], [*range(18)])
    return shelf


def test_what_is_asked_for_once_goes_first(shelf: Shelf) -> None:
    shelf.ask_for(21)
    assert (shelf.small, shelf.main) == ([20, 21], [*range(18)])


def test_a_scan_passes_through_the_small_queue_and_moves_nothing_in_the_main_one(shelf: Shelf) -> None:
    shelf.ask_for(*range(1000, 2000))
    assert (shelf.small, shelf.main) == ([1998, 1999], [*range(18)])


def test_what_was_used_on_probation_joins_the_main_queue(shelf: Shelf) -> None:
    shelf.ask_for(19, 21)
    assert (shelf.small, shelf.main) == ([20, 21], [*range(1, 18), 19])


def test_what_comes_again_while_its_ghost_is_kept_joins_the_main_queue_at_once(shelf: Shelf) -> None:
    shelf.ask_for(18)
    assert (shelf.small, shelf.main) == ([20], [*range(18), 18])


def test_what_comes_again_after_its_ghost_was_forgotten_is_on_probation_again(shelf: Shelf) -> None:
    shelf.ask_for(*range(1000, 1020), 18)
    assert (shelf.small, shelf.main) == ([1019, 18], [*range(18)])


def test_the_oldest_of_the_main_queue_begins_anew_if_it_was_used_and_goes_otherwise(shelf: Shelf) -> None:
    shelf.ask_for(18)
    shelf.ask_for(0, 1, 3)
    shelf.ask_for(21)
    assert (shelf.small, shelf.main) == ([20, 21], [*range(3, 19), 0, 1])


def test_to_be_used_spares_once_however_often(shelf: Shelf) -> None:
    shelf.ask_for(0, 0, 0)
    assert [shelf.give_up() for _ in range(20)] == [19, *range(1, 18), 0, 20]


@pytest.mark.parametrize(("name", "in_main"), [(5, True), (19, False)], ids=["main", "small"])
def test_what_takes_the_place_of_another_stays_in_its_queue_and_was_used(
    name: int, in_main: bool, shelf: Shelf
) -> None:
    shelf.replace(name)
    assert (shelf.main if in_main else shelf.small)[-1] == name
    assert shelf.held[name].used


def test_there_are_no_more_ghosts_than_items(shelf: Shelf) -> None:
    shelf.ask_for(*range(1000, 1100))
    assert len(shelf.queues._ghosts) == 19
    for name in list(shelf.held)[5:]:
        shelf.remove(name, leave_ghost=True)
    assert len(shelf.queues._ghosts) == 5
    for name in list(shelf.held):
        shelf.remove(name)
    assert not shelf.queues._ghosts


def test_a_walk_comes_by_everything_in_turn_and_begins_again(shelf: Shelf) -> None:
    assert shelf.walk(22) == [19, 20, *range(18), 19, 20]


def test_a_walk_through_nothing_finds_nothing() -> None:
    assert Shelf().walk(2) == [None, None]


def test_a_walk_goes_on_behind_what_was_removed(shelf: Shelf) -> None:
    assert shelf.walk(1) == [19]
    shelf.remove(20)
    assert shelf.walk(2) == [0, 1]
    shelf.remove(2)
    assert shelf.walk(1) == [3]
    shelf.walk(13)
    shelf.remove(17)
    assert shelf.walk(1) == [19]


def test_a_walk_goes_on_behind_what_has_moved_on_to_the_main_queue(shelf: Shelf) -> None:
    assert shelf.walk(1) == [19]
    shelf.ask_for(21)
    shelf.ask_for(20)
    shelf.ask_for(22)
    assert shelf.main[-1] == 20
    assert shelf.walk(1) == [21]


def test_a_walk_that_the_main_queue_overtakes_begins_again_with_the_small_one(shelf: Shelf) -> None:
    """Where much is used, the main queue turns faster than the walk goes: it would never leave it."""
    shelf.ask_for(18)
    assert shelf.walk(3) == [20, 0, 1]
    shelf.ask_for(0, 1, 2)
    shelf.ask_for(21)
    assert shelf.walk(2) == [20, 21]


def test_the_oldest_of_all_is_on_probation_if_anything_is(shelf: Shelf) -> None:
    taken = []
    while (item := shelf.queues.oldest()) is not None:
        taken.append(item.name)
        shelf.remove(item.name)
    assert taken == [19, 20, *range(18)]


def test_where_everything_is_used_one_goes_after_a_bounded_number_was_spared(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eviction, "MAX_SPARED", 5)
    shelf.ask_for(*shelf.main, *shelf.small)
    shelf.ask_for(21)
    assert (shelf.small, shelf.main) == ([20, 21], [*range(5, 18), 19, *range(4)]), "4 goes, though it was used"


def test_there_are_no_more_ghosts_than_a_table_holds_that_grows_quickly(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eviction, "MAX_GHOSTS", 3)
    shelf.ask_for(*range(1000, 1100))
    assert list(shelf.queues._ghosts) == [1095, 1096, 1097]


@given(st.lists(st.tuples(st.sampled_from(["ask for"] * 6 + ["remove", "replace", "walk"]), st.integers(0, 40))))
def test_the_queues_fit_each_other_whatever_is_asked_for(steps: list[tuple[str, int]]) -> None:
    shelf = Shelf()
    for do, name in steps:
        if do == "ask for":
            shelf.ask_for(name, name % 30)
            assert name % 30 in shelf.held
        elif do == "walk":
            shelf.walk(3)
        elif name in shelf.held:
            shelf.remove(name, leave_ghost=name % 2 == 0) if do == "remove" else shelf.replace(name)
        check_queues(shelf.queues)
        assert len(shelf.held) == len(shelf.queues) <= shelf.room
