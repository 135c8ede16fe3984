"""Notes in a directory: who is alive holds the lock of his own."""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from accelerator.figures.board import MAX_BYTES, Note
from accelerator.figures.files import LEFT_SECONDS, FileBoard, _File
from tests.support import drive

WRITER = """
import sys
from pathlib import Path
from accelerator.figures.board import MAX_BYTES, Note
from accelerator.figures.files import LEFT_SECONDS, FileBoard, _File
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


def test_a_note_that_cannot_be_put_in_its_place_leaves_nothing(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    (tmp_path / f"{board.name}.figures").mkdir()
    with pytest.raises(OSError, match="directory"):
        drive(board.publish("x"))
    assert [path.name for path in tmp_path.iterdir()] == [f"{board.name}.figures"]


def test_where_notes_go_all_the_time_those_that_stay_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = FileBoard(tmp_path)
    drive(board.publish("x"))
    names = board._names
    monkeypatch.setattr(board, "_names", lambda: [*names(), "gone"])
    assert drive(board.read()) == {board.name: ("x", True)}


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


def test_a_child_takes_another_name_and_the_lock_of_its_parent_lives_with_that(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    drive(board.publish("parent"))
    name, parents = board.name, board._own
    board.begin()
    drive(board.publish("child"))
    assert drive(board.read()) == {name: ("parent", True), board.name: ("child", True)}
    del parents
    assert drive(board.read()) == {name: ("parent", False), board.name: ("child", True)}


def test_what_is_no_readable_file_of_ones_own_hides_no_other_note(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    drive(board.publish("good"))
    os.mkfifo(tmp_path / "fifo.figures")
    (tmp_path / "directory.figures").mkdir()
    (tmp_path / "link.figures").symlink_to("/etc/passwd")
    (tmp_path / "long.figures").write_bytes(b"x" * (MAX_BYTES + 1))
    if os.geteuid() == 0:
        (tmp_path / "foreign.figures").write_text("not ours")
        os.chown(tmp_path / "foreign.figures", 65534, 65534)
    notes = drive(board.read())
    assert notes.pop(board.name) == ("good", True)
    assert {note.text for note in notes.values()} == {""}
    assert {"fifo", "directory", "link", "long"} <= set(notes)


def test_what_a_process_had_begun_to_write_when_it_ended_is_removed_after_a_minute(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    for name, seconds in (("left.new", 2 * LEFT_SECONDS), ("now.new", 0.0)):
        (tmp_path / name).write_text("half a note")
        os.utime(tmp_path / name, (time.time() - seconds,) * 2)
    assert drive(board.read()) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["now.new"]


def test_a_note_that_is_given_up_while_all_are_read_has_them_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heir may have been read before it had the counts, and the sum would lack them."""
    ended, heir = FileBoard(tmp_path), FileBoard(tmp_path)
    drive(ended.publish("ended"))
    drive(heir.publish("heir"))
    board = FileBoard(tmp_path)
    names, read = board._names, board._read

    def names_with_the_ended_last() -> list[str]:
        return sorted(names(), key=lambda name: name == ended.name)

    def read_one(name: str) -> Note | None:
        if name == ended.name:
            drive(heir.publish("heir, with what the ended had counted"))
            (tmp_path / f"{name}.figures").unlink()
        return read(name)

    monkeypatch.setattr(board, "_names", names_with_the_ended_last)
    monkeypatch.setattr(board, "_read", read_one)
    assert drive(board.read()) == {heir.name: ("heir, with what the ended had counted", True)}


def test_a_note_that_is_replaced_while_it_is_opened_is_that_of_a_process_that_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, board = FileBoard(tmp_path), FileBoard(tmp_path)
    drive(writer.publish("old"))
    lock = _File.lock

    def and_then_it_is_replaced(file: _File, kind: int) -> bool:
        monkeypatch.setattr(_File, "lock", lock)
        drive(writer.publish("new"))
        return lock(file, kind)

    monkeypatch.setattr(_File, "lock", and_then_it_is_replaced)
    assert drive(board.read()) == {writer.name: ("new", True)}


def test_a_claim_holds_until_it_is_given_back(tmp_path: Path) -> None:
    process, name = written_by_another(tmp_path)
    with process:
        process.kill()
    first, second = FileBoard(tmp_path), FileBoard(tmp_path)
    assert drive(first.claim(name))
    assert drive(first.claim(name))
    drive(first.release(name))
    assert drive(second.claim(name))


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    def open_ones() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    gc.collect()
    before = open_ones()
    for _ in range(20):
        board = FileBoard(tmp_path)
        drive(board.publish("x"))
        drive(board.read())
        name = board.name
        del board
        heir = FileBoard(tmp_path)
        drive(heir.claim(name))
        drive(heir.remove(name))
        drive(heir.claim(name))
    assert open_ones() <= before


def test_a_link_in_the_place_of_a_note_is_not_followed(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    target = tmp_path / "elsewhere"
    target.write_text("kept")
    (tmp_path / f"{board.name}.new").symlink_to(target)
    with pytest.raises(OSError, match=r"symbolic"):
        drive(board.publish("x"))
    assert target.read_text() == "kept"
