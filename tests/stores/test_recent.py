"""A table of what was used last has its bounds, in number and in bytes."""

from __future__ import annotations

from accelerator.stores.recent import Recent


def kept(table: Recent[str, str]) -> str:
    return "".join(letter for letter in "abcdefgh" if table.get(letter) is not None)


def test_a_key_has_the_value_that_it_got_last() -> None:
    table: Recent[str, str] = Recent(10, 100)
    table.keep("a", "old", 10)
    table.keep("a", "new", 3)
    assert (table.get("a"), table.get("b")) == ("new", None)
    assert (len(table), table.size) == (1, 3)


def test_of_too_many_values_those_used_longest_ago_go() -> None:
    table: Recent[str, str] = Recent(3, 100)
    for letter in "abc":
        table.keep(letter, letter, 1)
    assert table.get("a") == "a"
    table.keep("d", "d", 1)
    assert kept(table) == "acd"
    assert table.size == 3


def test_the_bytes_of_all_values_are_bounded() -> None:
    """What is replaced or went does not count any more."""
    table: Recent[str, str] = Recent(100, 80)
    for _ in range(3):
        for letter in "abcdefgh":
            table.keep(letter, letter, 10)
            assert table.get(letter) == letter
    assert (kept(table), table.size) == ("abcdefgh", 80)
    table.keep("more", "0", 1)
    assert kept(table) == "bcdefgh"
    assert (len(table), table.size) == (8, 71)


def test_a_value_that_would_push_out_many_is_not_kept_and_neither_is_what_it_replaces() -> None:
    table: Recent[str, str] = Recent(100, 80)
    table.keep("a", "a", 1)
    table.keep("b", "b", 10)
    table.keep("b", "larger", 11)
    assert table.get("b") is None
    assert (kept(table), table.size) == ("a", 1)
