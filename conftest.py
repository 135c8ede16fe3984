"""README's code runs as a test, from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sybil import Document, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sybil import Example

pytest_plugins = ["pytester"]


def from_top_to_bottom(document: Document) -> Iterator[Region]:
    """All code blocks of a document as one test, since each builds on what stands above it."""
    blocks = Document.parse(document.path, PythonCodeBlockParser())

    def evaluate(_: Example) -> None:
        for block in blocks.examples():
            block.evaluate()

    yield Region(0, document.end, evaluator=evaluate)


pytest_collect_file = Sybil(parsers=[from_top_to_bottom], patterns=["README.md"]).pytest()
