"""Notes in a directory: who is alive holds the lock of his own."""

from __future__ import annotations

import sys
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest

from accelerator.figures.files import FileBoard
from tests.support import drive

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys
from pathlib import Path
from accelerator.figures.files import FileBoard
board = FileBoard(Path(sys.argv[1]))
try:
    board.publish("from another process").send(None)
except StopIteration:
    print(board.name, flush=True)
sys.stdin.read()
"""


def written_by_another(directory: Path) -> tuple[Popen[str], str]:
    process = Popen([sys.executable, "-c", WRITER, str(directory)], stdin=PIPE, stdout=PIPE, text=True)  # noqa: S603 - a test's own script
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_note_is_read_as_it_was_written_last(tmp_path: Path) -> None:
    board, other = FileBoard(tmp_path / "figures"), FileBoard(tmp_path / "figures")
    for text in ("first", "second, ü" * 100_000, "last"):
        drive(board.publish(text))
        assert drive(other.read()) == {board.name: (text, True)}
    assert len(list((tmp_path / "figures").iterdir())) == 1


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    board = FileBoard(tmp_path / "figures")
    drive(board.publish("x"))
    assert (tmp_path / "figures").stat().st_mode & 0o777 == 0o700
    assert next((tmp_path / "figures").iterdir()).stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_gone_with_the_store_is_not_made_anew(tmp_path: Path) -> None:
    board = FileBoard(tmp_path / "gone" / "figures")
    with pytest.raises(FileNotFoundError):
        drive(board.publish("x"))
    assert drive(board.read()) == {}


def test_a_process_is_alive_until_it_has_ended_however_it_ends(tmp_path: Path) -> None:
    process, name = written_by_another(tmp_path)
    board = FileBoard(tmp_path)
    with process:
        assert drive(board.read()) == {name: ("from another process", True)}
        assert not drive(board.claim(name))
        process.kill()
    assert drive(board.read()) == {name: ("from another process", False)}


def test_of_those_that_claim_the_note_of_an_ended_process_one_gets_it(tmp_path: Path) -> None:
    process, name = written_by_another(tmp_path)
    with process:
        process.kill()
    first, second = FileBoard(tmp_path), FileBoard(tmp_path)
    assert drive(first.claim(name))
    assert not drive(second.claim(name))
    drive(first.remove(name))
    assert not drive(second.claim(name))
    assert drive(second.read()) == {}


def test_a_child_lets_go_of_the_lock_of_its_parent_which_keeps_it(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    drive(board.publish("parent"))
    name = board.name
    board.forget()  # the parent's own descriptor is the one that is closed here, so nobody holds the lock any more
    assert board.name != name
    assert drive(board.read()) == {name: ("parent", False)}


def test_a_link_in_the_place_of_a_note_is_not_followed(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    target = tmp_path / "elsewhere"
    target.write_text("kept")
    (tmp_path / f"{board.name}.new").symlink_to(target)
    with pytest.raises(OSError, match=r"symbolic"):
        drive(board.publish("x"))
    assert target.read_text() == "kept"
