"""`python -m accelerator explain --store` lists what workers have stored for a URL, and asks nobody."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from accelerator import LMDBStore
from accelerator.__main__ import main
from accelerator.testing import make_entry, make_request
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PAGE = "https://example.org/page"


def stored(
    store: LMDBStore,
    headers: Iterable[tuple[str, str]] = (),
    tags: Iterable[str] = (),
    *,
    partition: str = "",
    **more: Any,
) -> None:
    request = make_request(PAGE, headers, partition=partition)
    mark = drive(store.lookup(request)).mark
    assert drive(store.commit(make_entry(request, mark, tags, **more)))


def explain(*arguments: str, **environment: str) -> str:
    result = CliRunner().invoke(main, ["explain", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def store(tmp_path: Path) -> LMDBStore:
    return LMDBStore(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"lmdb:{tmp_path}"


def test_each_response_of_the_url_is_listed_with_what_chooses_it(store: LMDBStore, url: str) -> None:
    stored(store, [("accept-language", "de")], ["b", "a"], vary=(b"accept-language",), status=404, stale_if_error=9.0)
    stored(store, partition="SECRET", stale_while_revalidate=30.0, lifetime=60.0, received=time.time() - 90)
    text = explain(PAGE, "--store", url)
    lines = [re.sub(r"\d+ s old", "N s old", line) for line in text.splitlines()]
    assert lines[0] == f"{PAGE}: 2 responses stored"
    assert re.search(rf"  GET {PAGE}: 404, 5 bytes, \d+ s old, fresh for 3\d\d\d s", text)
    assert "    chosen by    accept-language: de" in lines
    assert "    on errors    stands in for 9 s" in lines
    assert "    tags         a, b" in lines
    assert re.search(rf"  GET {PAGE}: 200, 5 bytes, (9\d|1\d\d) s old, stale for \d+ s", text)
    assert "    partition    for requests of one partition only" in lines
    assert "    revalidated  served stale for 30 s while it is made anew" in lines
    assert "    tags         none" in lines
    assert "SECRET" not in text


def test_what_was_taken_back_is_said_to_be(store: LMDBStore, url: str) -> None:
    stored(store, tags=["soft"])
    drive(store.invalidate_tag("soft", soft=True))
    assert "s old, softly taken back" in explain(PAGE, ACCELERATOR_STORE=url)
    drive(store.invalidate_tag("soft"))
    text = explain(PAGE, ACCELERATOR_STORE=url)
    assert "s old, taken back" in text or "nothing is stored" in text


def test_nothing_is_said_to_be_nothing_and_where_else_it_may_be(store: LMDBStore, url: str) -> None:
    stored(store)
    text = explain("https://example.org/other", "--store", url)
    assert text.startswith("https://example.org/other: nothing is stored. A URL is stored without the query parameters")


def test_json_has_every_fact(store: LMDBStore, url: str) -> None:
    stored(store, tags=["a"], received=time.time() - 600)
    found = json.loads(explain(PAGE, "--store", url, "--json"))
    (entry,) = found["entries"]
    assert (found["url"], entry["url"], entry["tags"], entry["is_usable"]) == (PAGE, PAGE, ["a"], True)
    assert 600 <= entry["age"] < 3600
    assert entry["ttl"] == pytest.approx(3600 - entry["age"])
    drive(store.invalidate_tag("a", soft=True))
    (entry,) = json.loads(explain(PAGE, "--store", url, "--json"))["entries"]
    assert entry["ttl"] == 0


def test_all_pages_of_a_long_list_are_read(store: LMDBStore, url: str) -> None:
    for number in range(130):
        stored(store, partition=str(number))
    assert explain(PAGE, "--store", url).startswith(f"{PAGE}: 130 responses stored")


def test_hostile_tags_and_values_show_as_text(store: LMDBStore, url: str) -> None:
    stored(store, [("accept", "\x9b31m")], ["\u202eevil"], vary=(b"accept",))
    text = explain(PAGE, "--store", url)
    assert "\\u202eevil" in text
    assert all(one.isprintable() for line in text.split("\n") for one in line)


@pytest.mark.parametrize(
    ("address", "where", "words"),
    [
        (PAGE, "nowhere", "the URL of a store begins with"),
        (PAGE, "memory:", "memory: is a store in the memory of one process"),
        (PAGE, "lmdb:///nowhere/at/all", "there is no cache in /nowhere/at/all"),
        (PAGE, "redis://ada:SECRET@127.0.0.1:9", "127.0.0.1"),
        ("/page", "", "'/page'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(store: LMDBStore, url: str, address: str, where: str, words: str) -> None:
    stored(store)
    result = CliRunner().invoke(main, ["explain", address, "--store", where or url])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    assert words in result.output
    assert "SECRET" not in result.output
