"""What a process has decoded answers only where the file shows, once the request is there, that it is to be found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerator.http.request import Request
from accelerator.stores import binary
from accelerator.stores.lmdb import store as stores
from accelerator.testing import make_entry, make_request
from tests.stores.lmdb.support import URL, body_at, fill
from tests.support import drive

if TYPE_CHECKING:
    from accelerator import LMDBStore
    from accelerator.rules.entry import Entry
    from tests.stores.lmdb.worker import Worker


def ready(store: LMDBStore, url: str = URL, *headers: tuple[str, str]) -> bytes | None:
    request = make_request(url, headers)
    found = store.ready_entry(request.key, request, Request.selecting_values)
    return found.entry.body if found is not None else None


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what was decoded."""
    sizes: list[int] = []
    unpack = binary.unpack

    def noted(value: bytes) -> Entry | None:
        sizes.append(len(value))
        return unpack(value)

    monkeypatch.setattr(stores, "unpack", noted)
    return sizes


def test_an_entry_is_decoded_once(store: LMDBStore, unpacked: list[int]) -> None:
    fill(store, URL, "x", body=b"1")
    for _ in range(3):
        assert body_at(store) == "1"
        assert ready(store) == b"1"
        drive(store.invalidate_tag("other"))
    assert len(unpacked) == 1


def test_what_nobody_has_looked_up_is_not_ready(store: LMDBStore) -> None:
    assert ready(store) is None
    fill(store, URL, body=b"1")
    assert ready(store) is None
    assert body_at(store) == "1"
    assert ready(store) == b"1"


def test_what_another_process_has_replaced_is_not_ready(store: LMDBStore, other: Worker) -> None:
    fill(store, URL, "x", body=b"1")
    assert body_at(store) == "1"
    assert ready(store) == b"1"
    other.ask("fill", URL, ["x"], b"2")
    assert ready(store) is None
    assert body_at(store) == "2"
    assert ready(store) == b"2"


def test_what_another_process_has_written_elsewhere_makes_no_difference(store: LMDBStore, other: Worker) -> None:
    fill(store, URL, "x", body=b"1")
    assert body_at(store) == "1"
    other.ask("fill", f"{URL}other", ["x"], b"2")
    assert ready(store) == b"1"


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_what_another_process_has_taken_back_elsewhere_makes_no_difference(
    soft: bool, store: LMDBStore, other: Worker
) -> None:
    """The tags of what is ready are compared again in the transaction that shows the new position."""
    fill(store, URL, "x", body=b"1")
    assert body_at(store) == "1"
    for _ in range(2):
        other.ask("invalidate", ["other"], soft)
        assert ready(store) == b"1"
        assert ready(store) == b"1"
    other.ask("invalidate", ["x"], soft)
    assert ready(store) is None


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_what_another_process_has_taken_back_is_not_ready(soft: bool, store: LMDBStore, other: Worker) -> None:
    fill(store, URL, "x", body=b"1")
    assert body_at(store) == "1"
    assert ready(store) == b"1"
    other.ask("invalidate", ["x"], soft)
    assert ready(store) is None
    assert body_at(store) == ("stale 1" if soft else "")
    assert ready(store) is None


def test_the_newest_variant_is_ready_and_no_older_one(store: LMDBStore) -> None:
    fill(store, URL, body=b"1")
    assert body_at(store) == "1"
    request = make_request(URL, [("accept", "a")])
    entry = make_entry(request, drive(store.lookup(request)).mark, vary=(b"accept",), body=b"2")
    assert drive(store.commit(entry))
    assert ready(store) is None
    assert ready(store, URL, ("accept", "a")) is None
    assert drive(store.lookup(request)).entry == entry
    assert ready(store, URL, ("accept", "a")) == b"2"
    assert ready(store) is None
    assert body_at(store) == "1"


def test_another_lookup_put_in_place_is_the_one_to_be_asked(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, URL, body=b"1")
    assert body_at(store) == "1"
    monkeypatch.setattr(store, "lookup", lambda request: None)
    assert ready(store) is None


def test_what_is_decoded_is_bounded(store: LMDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    table = store._file.present().known
    monkeypatch.setattr(table, "_max_bytes", 100_000)
    for number in range(40):
        fill(store, f"{URL}{number}", body=bytes(5_000))
        assert body_at(store, f"{URL}{number}")
        assert table.size <= 100_000
    assert len(table) > 5


def test_variants_of_one_url_that_would_take_too_much_take_turns(
    store: LMDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LARGEST_KNOWN", 30_000)
    for number in range(9):
        request = make_request(URL, [("accept", str(number))])
        entry = make_entry(request, drive(store.lookup(request)).mark, vary=(b"accept",), body=bytes(5_000))
        assert drive(store.commit(entry))
        assert drive(store.lookup(request)).entry == entry
        one = store._file.present().known.get(request.key)
        assert one is not None
        assert 5_000 < one.size <= 30_000
