"""What is kept is counted as what it takes in memory, whatever it is made of; every table has a bound in bytes."""

from __future__ import annotations

import gc
import tracemalloc
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import MemoryStore
from accelerator.engine.prepared import PreparedHit
from accelerator.engine.report import Reporter
from accelerator.engine.shortcut import MAX_KEPT_TAG_LINES
from accelerator.http.request import Request
from accelerator.options import checked
from accelerator.rules import stored_fields
from accelerator.rules.sent_tags import tag_lines
from accelerator.stores import pending
from accelerator.stores.memory import store as memory
from accelerator.stores.pending import Pending, judge
from accelerator.stores.protocol import ReadyEntry
from accelerator.stores.sizes import READY_BYTES, READY_LINE_BYTES, text_bytes
from accelerator.tags import ALL
from accelerator.testing import make_entry
from accelerator.wsgi import environ
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LATIN, GREEK, EMOJI, UNDECODABLE = "\u00e9", "\u03b1", "\U0001f600", "\udcff"
LONG = 60_000


def request_of(number: int, path: str = "/", headers: Iterable[tuple[bytes, bytes]] = (), **more: Any) -> Request:
    """A request as a server makes it, with texts of its own: no two share one."""
    sent = urllib.parse.quote(path, errors="surrogateescape").encode() + b"?%d" % number
    scope = {"type": "http", "method": "GET", "scheme": "https", "path": path + str(number), "raw_path": sent}
    return Request({**scope, "headers": [(b"host", b"example.org"), *headers], "query_string": b""}, **more)


def put(store: MemoryStore, request: Request, *tags: str, **more: Any) -> None:
    assert drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, tags, **more)))


def taken_by(work: Callable[[], object]) -> tuple[object, int]:
    """What it returned, and the bytes that are in use since."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = work()
        urllib.parse.clear_cache()  # type: ignore[attr-defined]  # no part of its interface
        gc.collect()
        return made, tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def ratio(fill: Callable[[MemoryStore], object]) -> float:
    """What a store takes, as a part of what it counts."""

    def work() -> MemoryStore:
        store = MemoryStore()
        fill(store)
        return store

    work()  # what is made once is not counted
    store, taken = taken_by(work)
    assert isinstance(store, MemoryStore)
    return taken / store.size


@pytest.mark.parametrize("wide", ["", LATIN, GREEK, EMOJI, UNDECODABLE])
@pytest.mark.parametrize(("entries", "length"), [(200, 20), (20, LONG)])
def test_a_url_with_one_character_outside_ascii_is_counted_as_what_it_takes(
    wide: str, entries: int, length: int
) -> None:
    def fill(store: MemoryStore) -> None:
        for number in range(entries):
            put(store, request_of(number, f"/{wide}{'x' * length}"))

    assert 0.6 < ratio(fill) < 1.05


@pytest.mark.parametrize("wide", ["", LATIN, GREEK, EMOJI])
def test_a_partition_is_counted_as_what_it_takes(wide: str) -> None:
    def fill(store: MemoryStore) -> None:
        for number in range(50):
            put(store, request_of(number, partition=f"{wide}{number}" + "x" * 5000))

    assert 0.5 < ratio(fill) < 1.05


@pytest.mark.parametrize("fields", [1, 5, 50])
@pytest.mark.parametrize("length", [5, 2000])
def test_what_chooses_a_variant_is_counted_as_what_it_takes(fields: int, length: int) -> None:
    def fill(store: MemoryStore) -> None:
        for number in range(100):
            vary = tuple(b"x-field-%d" % field for field in range(fields))
            headers = [(name, b"%d %d" % (number, field) + bytes(length)) for field, name in enumerate(vary)]
            put(store, request_of(number // 50, headers=headers), vary=vary)

    assert 0.4 < ratio(fill) < 1.05, "each is counted as if it were alone at its URL"


def test_validators_are_counted_as_what_they_take() -> None:
    def fill(store: MemoryStore) -> None:
        for number in range(100):
            etag, modified = (b'"%d %s"' % (number, b"x" * 3000) for _ in range(2))
            put(store, request_of(number), validator=etag, last_modified=modified)

    assert 0.6 < ratio(fill) < 1.05


def test_of_what_went_nothing_is_left_in_what_stays() -> None:
    """Variants of a URL, and entries with a tag, are stored with texts of their own, which the tables name once."""

    def fill(store: MemoryStore) -> None:
        for number in range(10):
            for language in (b"de", b"en", b"de"):
                request = request_of(number, "/" + "x" * 20_000, headers=[(b"accept-language", language)])
                put(store, request, f"{number}" + "t" * 1000, vary=(b"accept-language",))
            drive(store.invalidate([request.url_tag], soft=False))
            put(store, request, f"{number}" + "t" * 1000, vary=(b"accept-language",))
        for number in range(100, 120):
            put(store, request_of(number))  # each sweeps two others
        assert len(store) == 30

    assert ratio(fill) < 1.05


def test_a_tag_of_many_entries_is_kept_once() -> None:
    def fill(store: MemoryStore) -> None:
        for number in range(200):
            put(store, request_of(number), *(f"{tag}" + EMOJI * 200 for tag in range(10)))

    assert ratio(fill) < 0.2


# --- tables beside the entries ----------------------------------------------------------------------------------------


def test_the_log_of_invalidations_takes_no_more_for_long_names() -> None:
    def fill() -> MemoryStore:
        store = MemoryStore()
        drive(store.invalidate([f"{number}" + EMOJI * 200 for number in range(2 * memory.LOG_LENGTH)], soft=False))
        return store

    store, taken = taken_by(fill)
    assert isinstance(store, MemoryStore)
    assert len(store._log) == memory.LOG_LENGTH
    assert taken < 300 * memory.LOG_LENGTH


def test_past_a_bound_in_bytes_everything_counts_as_taken_back_instead_of_what_could_not_be() -> None:
    kept = Pending()
    wide = EMOJI * 200
    each = text_bytes("0000" + wide)
    fits = pending.MAX_PENDING_BYTES // each
    assert fits < pending.MAX_PENDING / 2
    for _ in range(2):  # what is there already takes nothing more
        kept.add([f"{number:04}{wide}" for number in range(fits)], soft=True)
    assert len(kept.kept) == fits
    kept.settle({tag: record for tag, record in kept.kept.items() if tag.startswith("0000")})
    kept.add([f"more{wide}"], soft=True)
    assert judge(kept.kept, {f"more{wide}"}) == (False, True)
    kept.add([f"late{wide}"], soft=True)
    assert kept.kept.keys() == {ALL}
    kept.add(["x"], soft=True)
    assert kept.kept.keys() == {ALL, "x"}


def test_names_of_request_fields_that_are_long_are_not_kept_in_mind() -> None:
    names = environ._FieldNames()
    for key, name in (("HTTP_X_SHORT", b"x-short"), ("HTTP_X_LONG" + "G" * 1000, b"x-long" + b"g" * 1000)):
        assert [names[key] for _ in range(2)] == [name] * 2
    assert names == {"HTTP_X_SHORT": b"x-short"}


def test_names_of_response_fields_that_are_long_are_not_kept_in_mind() -> None:
    is_id, is_any = stored_fields._unstored(("x-id",)), stored_fields._unstored(("X-*x",))
    before = stored_fields._unstored.cache_info().currsize
    for number in range(100):
        name = b"x-%d" % number + b"x" * 1000
        assert not is_id(name)
        assert is_any(name)
    assert stored_fields._unstored.cache_info().currsize == before


@pytest.mark.parametrize("lines", [0, 10, 50])
@pytest.mark.parametrize(("length", "tags"), [(10, 1), (200, 16), (5000, 1), (10, 100)])
def test_what_is_prepared_of_an_entry_takes_no_more_than_is_counted(lines: int, length: int, tags: int) -> None:
    reporter = Reporter(checked({"on_event": lambda _event: None}))
    shown: dict[str, object] = {}  # that of a route
    said = tuple((b"x-%d" % number, b"v") for number in range(lines))
    names = [f"tag:{number}" for number in range(tags)]
    entries = [
        make_entry(request_of(number, "/" + "x" * length), 0, names, headers=said, etag=b'"%d"' % number, lifetime=60.0)
        for number in range(50)
    ]

    def work() -> list[ReadyEntry]:
        made = []
        for number, entry in enumerate(entries):
            ready = ReadyEntry(entry)
            sent = tag_lines(entry.tags, ("Surrogate-Key",))
            is_short = sum(len(line) for _, line in sent) <= MAX_KEPT_TAG_LINES
            prepared = PreparedHit(entry, entry.received + number / 7, reporter, shown, sent if is_short else ())
            prepared.not_modified(b'"%d"' % number)
            prepared.report("GET", entry.received + number / 7)
            ready.keep(prepared)
            made.append(ready)
        return made

    work()
    _, taken = taken_by(work)
    assert taken / len(entries) < READY_BYTES + READY_LINE_BYTES * (lines + 3)
