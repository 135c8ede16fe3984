"""`python -m accelerator ls` lists what is stored."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from accelerator import LMDBStore
from accelerator.testing import make_entry, make_request
from tests.commands.support import HOSTILE, is_shown_as_text, run
from tests.support import drive

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> LMDBStore:
    return LMDBStore(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"lmdb:{tmp_path}"


def stored(store: LMDBStore, page: str, tags: Iterable[str] = (), headers: Any = (), **more: Any) -> None:
    partition = more.pop("partition", "")
    request = make_request(page, headers, partition=partition)
    mark = drive(store.lookup(request)).mark
    assert drive(store.commit(make_entry(request, mark, tags, **more)))


def urls_of(text: str) -> list[str]:
    return re.findall(r"https://\S+", text)


def test_all_that_is_stored_has_a_line_each(store: LMDBStore, url: str) -> None:
    stored(store, "https://example.org/a", ["user:42", "users"])
    stored(store, "https://example.org/b", headers=[("accept-language", "de")], vary=(b"accept-language",), status=404)
    stored(store, "https://example.org/c", partition="SECRET")
    text = run("ls", "--store", url)
    a, b, c = sorted(text.splitlines(), key=lambda line: urls_of(line))
    assert re.fullmatch(
        r"200        5 B  \d+ s old, fresh for 3\d\d\d s +https://example.org/a  tags: user:42, users", a
    )
    assert re.fullmatch(r"404        5 B  .+  https://example.org/b \(accept-language: de\)", b)
    assert re.fullmatch(r"200        5 B  .+  https://example.org/c \(of one partition\)", c)


def test_what_has_a_tag_and_what_there_is_of_a_url_are_listed(store: LMDBStore, url: str) -> None:
    for number in range(5):
        stored(store, f"https://example.org/{number}", [f"tag:{number % 2}"])
    odd = run("ls", "--store", url, "--tag", "tag:1")
    assert sorted(urls_of(odd)) == ["https://example.org/1", "https://example.org/3"]
    assert urls_of(run("ls", "--url", "https://example.org/2", ACCELERATOR_STORE=url)) == ["https://example.org/2"]
    neither = run("ls", "--store", url, "--url", "https://example.org/2", "--tag", "tag:1")
    assert re.fullmatch(r"nothing is stored of https://example.org/2 with the tag tag:1 \(.+: \d\)\n", neither)


def test_long_names_are_cut_and_a_few_of_many_tags_are_written_but_in_json(store: LMDBStore, url: str) -> None:
    page, tags = "https://example.org/" + "a" * 3000, [f"{number:02}{'t' * 200}" for number in range(25)]
    stored(store, page, tags, [("accept-language", "l" * 200)], vary=(b"accept-language",))
    (line,) = run("ls", "--store", url).splitlines()
    some = ", ".join([f"{number:02}{'t' * 57}…" for number in range(10)])
    assert line.endswith(f"{page[:119]}… (accept-language: {'l' * 42}…)  tags: {some} and 15 more")
    (facts,) = json.loads(run("ls", "--store", url, "--json"))["entries"]
    assert (facts["url"], sorted(facts["tags"])) == (page, tags)


def test_a_long_list_ends_at_the_limit_and_goes_on_by_its_cursor(store: LMDBStore, url: str) -> None:
    every = {f"https://example.org/{number}" for number in range(25)}
    for page in every:
        stored(store, page)
    found: list[str] = []
    cursor: list[str] = []
    for _ in range(30):
        text = run("ls", "--store", url, "--limit", "10", *cursor)
        found += urls_of(text)
        more = re.search(r"^There may be more: go on with (--cursor) (\S+), or say a larger --limit\.$", text, re.M)
        if more is None:
            break
        cursor = [*more.groups()]
    assert len(found) == 25
    assert set(found) == every
    assert set(urls_of(run("ls", "--store", url, "--limit", "5000"))) == every


def test_json_has_every_fact_and_where_to_go_on(store: LMDBStore, url: str) -> None:
    for number in range(3):
        stored(store, f"https://example.org/{number}", ["a"])
    said = json.loads(run("ls", "--store", url, "--json"))
    assert (len(said["entries"]), said["cursor"], said["examined"]) == (3, None, 3)
    assert said["entries"][0]["tags"] == ["a"]
    assert said["entries"][0]["ttl"] > 0
    part = json.loads(run("ls", "--store", url, "--json", "--limit", "2"))
    rest = json.loads(run("ls", "--store", url, "--json", "--cursor", part["cursor"]))
    assert len(part["entries"]) + len(rest["entries"]) == 3
    assert rest["cursor"] is None


def test_an_end_behind_a_cursor_says_that_there_is_no_more(store: LMDBStore, url: str) -> None:
    for number in range(2):
        stored(store, f"https://example.org/{number}", ["a"])
    part = json.loads(run("ls", "--store", url, "--json", "--limit", "1"))
    text = run("ls", "--store", url, "--tag", "none", "--cursor", part["cursor"])
    assert text == "nothing more is stored with the tag none (entries looked at: 1)\n"


def test_hostile_tags_and_values_show_as_text(store: LMDBStore, url: str) -> None:
    stored(store, "https://example.org/%1b[31m", [HOSTILE], [("accept", "\x9b31m[red]")], vary=(b"accept",))
    text = run("ls", "--store", url)
    assert "tags: \\u202e[red]\\u2066[/]" in text
    assert is_shown_as_text(text)
    assert is_shown_as_text(run("ls", "--store", url, "--tag", f"x{HOSTILE}"))
    assert is_shown_as_text(run("ls", "--store", url, "--json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "/page"], "'/page'"),
        (["--tag", "@url:x"], "@url:x"),
        (["--tag", ""], "tag"),
        (["--cursor", "\x1b[31m"], "a cursor is what the call before has returned, not '\\x1b[31m'"),
    ],
)
def test_what_cannot_be_asked_for_is_said_in_one_line(
    store: LMDBStore, url: str, arguments: list[str], words: str
) -> None:
    stored(store, "https://example.org/a")
    text = run("ls", "--store", url, *arguments, fails=1)
    assert words in text
    assert is_shown_as_text(text)
