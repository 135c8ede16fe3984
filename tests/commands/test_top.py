"""`python -m accelerator top` shows what a cache does now, in a terminal or line by line."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sys
import termios
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from accelerator.__main__ import main
from accelerator.commands import sources, top
from accelerator.commands.frames import MARKS
from tests.commands.support import HOSTILE, cache_at, counted, drained, in_terminal, is_shown_as_text, plain, run, visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.figures.snapshot import Figures

SWIFT = ["--every", "0.1"]


class Given(sources.Source):
    """A source whose figures are given, one after the other; the last ones stay."""

    name = "given"

    def __init__(self, *steps: Figures | BaseException) -> None:
        self.steps = [*steps]
        self.is_closed = False

    def figures(self) -> Figures:
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, BaseException):
            raise step
        return step

    def entries(self, url: str | None, tag: str | None, cursor: str | None, limit: int) -> sources.Found:
        raise AssertionError

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the command have a source whose figures are given."""

    def give(*steps: Figures | BaseException) -> Given:
        source = Given(*steps)
        monkeypatch.setattr(sources, "open_source", lambda *_: source)
        return source

    return give


# --- in a terminal ----------------------------------------------------------------------------------------------------


def test_the_screen_follows_the_cache_and_ends_with_q(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    visit(cache, "/a", "/a", "/private", f"/{HOSTILE}?hostile", f"/{HOSTILE}?hostile")
    with in_terminal("top", "--store", f"lmdb:{tmp_path}", *SWIFT) as ran:
        before = termios.tcgetattr(ran.master)
        ran.wait_for(r"(?s)1 worker, counting for .+: <LMDBStore: .*q ends it")
        visit(cache, "/a", "/a", "/a", "/a")
        ran.wait_for(r"  6 +66.7 %  hit")
        ran.press(b"xyz")  # other keys are of no use
        ran.press(b"q")
        assert ran.end() == 0
        assert termios.tcgetattr(ran.master)[3] == before[3]
    assert ran.written.startswith(b"\x1b[?1049h")
    assert ran.written.rstrip().endswith(b"\x1b[?1049l")
    shown = plain(ran.written)
    assert "hit ratio 40.0 % (in all 40.0 %)" in shown
    assert "miss, private" in shown
    assert "https://example.org/a" in shown
    assert "\\u202e[red]\\u2066[/]" in shown
    assert "\u202e" not in shown
    assert b"\x1b[32m" in ran.written


def frames_of(written: bytes) -> list[list[str]]:
    frames = [plain(one).split("\r\n") for one in re.split(rb"\x1b\[H", written)]
    return [frame for frame in frames if len(frame) > 1]


def test_every_frame_fits_into_80_columns_and_24_rows_and_into_what_comes_after(tmp_path: Path) -> None:
    visit(cache_at(tmp_path), *[f"/{number}/{'long' * 40}" for number in range(40)] * 2, "/private/1", "/private/2")
    with in_terminal("top", "--store", f"lmdb:{tmp_path}", "--every", "3600") as ran:
        ran.wait_for("q ends it")
        ran.resize(12, 40)
        ran.wait_for(r"rates over .{0,40}\Z")
        ran.press(b"q")
        assert ran.end() == 0
    first, *_, last = frames_of(ran.written)
    assert (len(first), {len(line) for line in first}) == (24, {80})
    assert "long" in first[-6]
    assert len(last) == 12
    assert max(len(line) for line in last) == 40


@pytest.mark.parametrize("key", [b"Q", b"\x03"], ids=["Q", "Ctrl-C"])
def test_either_end_leaves_the_terminal_as_it_was(tmp_path: Path, key: bytes) -> None:
    visit(cache_at(tmp_path), "/a")
    with in_terminal("top", "--store", f"lmdb:{tmp_path}", NO_COLOR="1") as ran:
        before = termios.tcgetattr(ran.master)
        ran.wait_for("q ends it")
        ran.press(key)
        assert ran.end() == 0
        assert termios.tcgetattr(ran.master) == before
    assert ran.written.rstrip().endswith(b"\x1b[?1049l")
    assert b"Traceback" not in ran.written
    assert not re.search(rb"\x1b\[[\d;]*3[0-7]m", ran.written)  # no colour where NO_COLOR is said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_leaves_the_terminal_as_it_was(tmp_path: Path, how: signal.Signals) -> None:
    visit(cache_at(tmp_path), "/a")
    with in_terminal("top", "--store", f"lmdb:{tmp_path}") as ran:
        before = termios.tcgetattr(ran.master)
        ran.wait_for("q ends it")
        ran.process.send_signal(how)
        assert ran.end() == 128 + how
        assert termios.tcgetattr(ran.master) == before
    assert ran.written.rstrip().endswith(b"\x1b[?1049l")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_can_do_little_is_written_what_it_can_show(tmp_path: Path, environment: dict[str, str]) -> None:
    visit(cache_at(tmp_path), "/\xe9", "/\xe9")
    with in_terminal("top", "--store", f"lmdb:{tmp_path}", *SWIFT, **environment) as ran:
        ran.wait_for(r"hot URLs")
        ran.press(b"\x03")
        assert ran.end() == 0
    assert (b"\x1b" in ran.written) == ("TERM" not in environment)
    assert ("▁".encode() in ran.written or "█".encode() in ran.written) == ("TERM" in environment)


# --- in this process --------------------------------------------------------------------------------------------------


@contextmanager
def terminal(*, has_keys: bool = True) -> Iterator[tuple[int, bytearray]]:
    """A terminal that this process reads and writes: its other end, and what was written."""
    master, slave = pty.openpty()
    with (
        pytest.MonkeyPatch.context() as patch,
        os.fdopen(slave, "w", encoding="utf-8") as screen,
        Path(os.ttyname(slave) if has_keys else os.devnull).open() as keys,
        drained(master) as written,
    ):
        for name in ("COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        patch.setattr(sys, "stdin", keys)
        patch.setattr(sys, "stdout", screen)
        yield master, written
    os.close(master)


def show() -> None:
    main(["top", *SWIFT], standalone_mode=False)


def test_a_source_that_fails_is_asked_again_and_the_failure_is_shown(given: Any) -> None:
    source = given(counted("/a"), click.ClickException(f"Redis is away {HOSTILE}"), counted("/a", "/a", "/a"))
    figures = source.figures

    def asked() -> Figures:
        signal.raise_signal(signal.SIGWINCH)  # the size changes just now
        os.write(master, b"q" if len(source.steps) == 1 else b"x")  # other keys are of no use
        found: Figures = figures()
        return found

    source.figures = asked
    with terminal() as (master, written):
        show()
    before, failure, after = plain(bytes(written)).partition("Redis is away \\u202e[red]\\u2066[/]")
    assert failure
    assert "q ends it" in before
    assert "66.7 %  hit" in after
    assert after.count("q ends it") == 2  # the frame is drawn anew for the new size
    assert source.is_closed
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_screen_without_keys_ends_by_a_signal(given: Any) -> None:
    with terminal(has_keys=False) as (_, written):
        given(counted("/a"), counted("/a"), KeyboardInterrupt())
        show()
        given(counted("/a"), SystemExit(3))
        with pytest.raises(SystemExit, match="3"):
            show()
    assert written.count(b"\x1b[?1049h") == written.count(b"\x1b[?1049l") == 2


def test_a_signal_to_end_is_an_exit(given: Any) -> None:
    source = given(counted("/a"))
    figures = source.figures

    def asked() -> Figures:
        if ended:
            signal.raise_signal(signal.SIGTERM)
        ended.append(True)
        found: Figures = figures()
        return found

    ended: list[bool] = []
    source.figures = asked
    with terminal(), pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)):
        show()
    assert source.is_closed


def test_very_many_changes_of_the_size_do_no_harm(given: Any) -> None:
    source = given(counted("/a"))

    def asked() -> Figures:
        for _ in range(70_000 if len(read) == 1 else 0):
            signal.raise_signal(signal.SIGWINCH)
        read.append(os.write(master, b"q") if read else 0)
        found: Figures = counted("/a")
        return found

    read: list[int] = []
    source.figures = asked
    with terminal() as (master, _):
        show()
    assert len(read) == 2


# --- line by line -----------------------------------------------------------------------------------------------------


def test_json_has_a_line_each_time_with_what_came_since_the_line_before(given: Any) -> None:
    cache = counted("/a", "/a", "/private")
    later: Any = {**cache, "requests": {"hit": {"": 4}, "miss": {"stored": 1, "private": 1}}}
    source = given(cache, later)
    first, second = map(json.loads, run("top", "--json", "--count", "2", *SWIFT).splitlines())
    assert first["requests"] == {"miss": {"stored": 1, "private": 1}, "hit": {"": 1}}
    assert second["requests"] == {"miss": {"stored": 0, "private": 0}, "hit": {"": 3}}
    assert (second["hit_ratio"], second["urls"]) == (1.0, [["https://example.org/a", 1, 0]])
    assert source.is_closed


def test_what_is_no_terminal_is_written_frame_after_frame(given: Any) -> None:
    given(counted("/a", f"/{HOSTILE}\x1b[31m", f"/{HOSTILE}\x1b[31m"))
    text = run("top", "--count", "3", *SWIFT)
    frames = text.split("\n\n")
    assert [frame.splitlines()[0].endswith(": given") for frame in frames] == [True] * 3
    assert "\\u202e[red]\\u2066[/]" in text
    assert is_shown_as_text(text)


def test_what_the_encoding_does_not_have_is_escaped(given: Any) -> None:
    given(counted("/a", "/\xe9", "/\xe9"))
    result = CliRunner(charset="ascii").invoke(main, ["top", "--count", "1"])
    assert "min of traffic" in result.output
    assert not re.search(f"[{MARKS}]", result.output)
    assert result.stdout_bytes.isascii()


def test_rates_are_taken_over_ten_seconds_at_least(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers tell their figures every few seconds: shorter than that, rates would jump between none and too many."""
    moments = iter([0.0, 4.0, 8.0, 12.0, 16.0])
    monkeypatch.setattr(top, "monotonic", lambda: next(moments))
    base = counted()
    given(*[{**base, "requests": {"hit": {"": number}}} for number in (0, 100, 100, 200, 300)])
    text = run("top", "--count", "5", *SWIFT)
    assert re.findall(r"([\d.]+) requests/s", text)[1:] == ["25.0", "12.5", "16.7", "16.7"]


def test_it_goes_on_until_it_is_interrupted(given: Any) -> None:
    given(counted("/a"), counted("/a"), counted("/a"), KeyboardInterrupt())
    assert len(run("top", "--json", *SWIFT).splitlines()) == 3


def test_without_rich_a_terminal_is_written_frame_after_frame(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "find_spec", lambda name: None)
    given(counted("/a"), KeyboardInterrupt())
    with terminal() as (_, written):
        show()
    assert b"1 worker, counting for" in written
    assert b"\x1b" not in written


def test_a_source_that_fails_at_once_is_said_in_one_line(given: Any) -> None:
    given(click.ClickException("there is nothing"))
    assert run("top", fails=1) == "Error: there is nothing\n"
