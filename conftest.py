"""README's code runs as a test, from top to bottom; what is collected is no garbage."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import hypothesis  # noqa: F401 - it asks the collector, when imported, about what would be frozen already
import pytest
from sybil import Document, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The items stay to the end: a collector of garbage that walks through all of them takes longer than most tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
