"""The engine stays small enough to be read in one go."""

from __future__ import annotations

import tokenize
from pathlib import Path

import pytest

from accelerator.engine import engine

LIMIT = 200


def logical_lines(path: Path) -> int:
    """Count logical lines as Python's tokenizer does: one for each NEWLINE token.

    A statement, a `def`, `if` or `else` with its colon, and a docstring count as one each, however many lines they are
    wrapped over. Blank lines and comments count nothing.
    """
    with path.open("rb") as source:
        return sum(token.type == tokenize.NEWLINE for token in tokenize.tokenize(source.readline))


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('"""Two\\nlines."""\n', 1),
        ("\n# a comment\n\nx = 1  # another\n", 1),
        ("call(\n    1,\n    2,\n)\n", 1),
        ("if x:\n    y = 1\nelse:\n    y = 2\n", 4),
        ("a = 1; b = 2\n", 1),
    ],
    ids=["docstring", "comments", "wrapped", "compound", "semicolon"],
)
def test_a_logical_line_is_one_however_it_is_wrapped(source: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / "source.py"
    path.write_text(source)
    assert logical_lines(path) == count


def test_the_engine_has_fewer_than_200_logical_lines() -> None:
    assert logical_lines(Path(engine.__file__)) < LIMIT
