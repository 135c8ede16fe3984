"""docs/one-machine.md, and the URLs of stores on docs/options.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from accelerator import LMDBStore, RedisStore, open_store
from accelerator.__main__ import main
from accelerator.testing import make_entry, make_request
from tests.docs.support import blocks_of, run
from tests.support import app_saying, drive
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "one-machine.md").read_text()
MAKING, TAKING_BACK = blocks_of("one-machine.md")
PURGES = re.findall(r"python -m accelerator (purge .*?)(?:`|$)", PAGE, re.MULTILINE)
ROWS = re.findall(r"^\| `(\w+\(.*?\))` \| `\"(.+?)\"`", (ROOT / "docs" / "options.md").read_text(), re.MULTILINE)
TESTS = "".join(
    path.read_text()
    for folder in ("stores/lmdb", "consistency")
    for path in (ROOT / "tests" / folder).glob("test_*.py")
)


def moved(text: str, home: Path) -> str:
    """What a page says of the memory for files, for a folder of this test."""
    return text.replace("/dev/shm/", f"{home}/")  # noqa: S108 - it is replaced


@pytest.fixture
def store(tmp_path: Path) -> LMDBStore:
    """The store as the page makes it, with an entry."""
    notes: dict[str, Any] = {"app": app_saying()}
    run(moved(MAKING, tmp_path), notes)
    store: LMDBStore = notes["app"].store
    request = make_request()
    assert drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, ["user:42"])))
    return store


def is_there(store: LMDBStore) -> bool:
    return drive(store.lookup(make_request())).entry is not None


def test_the_url_of_the_page_is_the_store_of_the_page(store: LMDBStore, tmp_path: Path) -> None:
    (url,) = re.findall(r'store="(lmdb:.*?)"', PAGE)
    same = open_store(moved(url, tmp_path))
    assert isinstance(same, LMDBStore)
    assert is_there(same)


def test_another_process_takes_back(store: LMDBStore, tmp_path: Path) -> None:
    assert is_there(store)
    run(moved(TAKING_BACK, tmp_path), {})
    assert not is_there(store)


@pytest.mark.parametrize("command", PURGES)
def test_the_command_takes_back(command: str, store: LMDBStore, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, moved(command, tmp_path).split())
    assert (done.exit_code, is_there(store)) == (0, False)


def test_both_ways_to_call_the_command_are_shown() -> None:
    assert [command.split()[-1] for command in PURGES] == ["user:42", "--all"]


def test_each_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert named == {name for name in named if f"def {name}(" in TESTS}
    files = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    there = {path.name for folder in ("stores/lmdb", "consistency") for path in (ROOT / "tests" / folder).iterdir()}
    assert files <= there


@pytest.mark.parametrize(("call", "url"), ROWS)
def test_each_url_of_the_options_makes_the_store_beside_it(call: str, url: str, tmp_path: Path) -> None:
    made = open_store(moved(url, tmp_path))
    path, far = tmp_path / "site", "redis://host:6379/0"
    names = {"path": path, "url": far, "near": LMDBStore(path), "far": RedisStore(far)}
    exec(f"from accelerator import *\nstore = {call}", names)  # noqa: S102 - our own page
    assert repr(made) == repr(names["store"])
    assert len(ROWS) == 4
