"""What waits to be purged waits once, hard before soft, and takes no more memory than a bound."""

from __future__ import annotations

import pytest

from accelerator.fanout import waiting
from accelerator.fanout.waiting import EVERYTHING, Purge, Waiting


def taken(keys: Waiting, most: int = 100) -> list[Purge]:
    """All that is purged, one call after the other."""
    purges = []
    while (purge := keys.take(most)) is not None:
        purges.append(purge)
    return purges


def test_each_key_is_purged_once_in_the_order_of_their_coming() -> None:
    keys = Waiting()
    keys.add(["b", "a"], soft=False)
    keys.add(["c", "b"], soft=False)
    assert len(keys) == 3
    assert taken(keys) == [Purge(("b", "a", "c"), soft=False)]
    assert len(keys) == 0


def test_a_call_has_no_more_keys_than_it_may() -> None:
    keys = Waiting()
    keys.add("abcde", soft=True)
    assert [purge.keys for purge in taken(keys, 2)] == [("a", "b"), ("c", "d"), ("e",)]


@pytest.mark.parametrize("first", [True, False])
def test_a_key_that_waits_for_both_is_purged_hard(first: bool) -> None:
    keys = Waiting()
    keys.add(["a", "b"], soft=first)
    keys.add(["a", "c"], soft=not first)
    hard, soft = taken(keys)
    assert (hard.soft, soft.soft) == (False, True)
    assert {*hard.keys} == ({"a", "c"} if first else {"a", "b"})
    assert {*soft.keys} == ({"b"} if first else {"c"})


def test_too_many_keys_become_one_purge_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 4)
    keys = Waiting()
    keys.add("ab", soft=True)
    keys.add("cd", soft=False)
    assert len(keys) == 4
    keys.add("e", soft=True)
    keys.add("f", soft=False)
    assert len(keys) == 1
    assert taken(keys) == [EVERYTHING]


@pytest.mark.parametrize("purge", [EVERYTHING, Purge(("a", "b"), soft=True), Purge(("a",), soft=False)])
def test_what_could_not_be_purged_waits_again(purge: Purge) -> None:
    keys = Waiting()
    keys.put_back(purge)
    assert len(keys) == purge.size
    assert taken(keys) == [purge]
