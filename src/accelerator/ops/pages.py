"""The files of the page, as they stand beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent / "page"
_TYPES: Final = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


class PageFile(NamedTuple):
    """A file of the page.

    Attributes:
        content: its content.
        media_type: what it is.
    """

    content: bytes
    media_type: str


def page_files() -> dict[str, PageFile]:
    """Read the files of the page, by their names. The page itself has none."""
    files = {path.name: PageFile(path.read_bytes(), _TYPES[path.suffix]) for path in sorted(FOLDER.iterdir())}
    files[""] = files.pop("index.html")
    return files
