"""`python -m accelerator purge` takes back from the file what the workers serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from accelerator.__main__ import main
from accelerator.testing import make_entry, make_request
from tests.support import drive

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from click.testing import Result

    from accelerator import LMDBStore


def purge(*words: str) -> Result:
    return CliRunner().invoke(main, ["purge", *words])


def state_after(store: LMDBStore, *words: str) -> str:
    request = make_request()
    assert drive(store.commit(make_entry(request, drive(store.lookup(request)).mark, ["x"])))
    assert purge(*words).exit_code == 0
    found = drive(store.lookup(request))
    return "missing" if found.entry is None else "stale" if found.invalidated else "fresh"


def test_it_takes_back_what_the_tags_name(store: LMDBStore, path: Path) -> None:
    where = ["--store", f"lmdb://{path}"]
    assert [state_after(store, *where, *words) for words in (["y"], ["--soft", "x"], ["y", "x"], ["--all"])] == [
        *("fresh", "stale", "missing", "missing")
    ]


def test_it_says_what_it_did_and_no_more_though_no_size_is_said(
    store: LMDBStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.close()
    done = purge("--store", f"lmdb://{path}", "x")
    assert (done.output, caplog.text) == (f"Taken back: every response made from x, in <LMDBStore: {path}>\n", "")


def test_a_path_without_a_cache_is_a_mistake_and_stays_as_it_is(tmp_path: Path) -> None:
    done = purge("--store", f"lmdb://{tmp_path}/stroe", "x")
    said = f"Error: there is no cache in {tmp_path}/stroe: is that the path that the workers have?\n"
    assert (done.exit_code, done.output, [*tmp_path.iterdir()]) == (1, said, [])


def test_a_prefix_is_for_a_redis(store: LMDBStore, path: Path) -> None:
    done = purge("--store", f"lmdb://{path}", "--prefix", "shop:", "x")
    assert (done.exit_code, "LMDBStore has no option 'prefix' in its URL" in done.output) == (1, True)


def test_a_tag_that_is_none_is_no_mistake_in_the_environment(
    store: LMDBStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATOR_STORE", f"lmdb://{path}")
    done = purge("@all")
    assert (done.exit_code, done.output) == (1, "Error: names that begin with @ are the library's own: '@all'\n")
