"""Figures and entries from the address of the operator's page, which says them as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlunsplit

import click

from accelerator.commands import asking
from accelerator.commands.printing import shown
from accelerator.commands.shapes import are_facts
from accelerator.commands.sources import OPS, Found, Source
from accelerator.figures.notes import figures_in

if TYPE_CHECKING:
    from accelerator.figures.snapshot import Figures

MAX_BYTES: Final = 2**26
"""Bytes of an answer that are read."""

_EXAMPLE: Final = "the address of an operator's page is such as https://example.org/ops/"
_CLOSED: Final = (
    f"the operator's page is closed to this: give its whole address by --ops or {OPS}, with the key that a gateway"
    " prints in it, or what lets you in by -H, such as -H 'Authorization: Bearer ...'"
)
_ELSEWHERE: Final = "there is no operator's page at this address: is it the one where OpsApp is mounted?"
_OTHERS: Final = (
    "what answers at this address does not say what an operator's page says: is it one of another software, or of"
    " another version of this one?"
)


class OpsPage(Source):
    """The page of operators, wherever it is.

    Args:
        address: its absolute URL, which may have a key in it: no error repeats it.
        lines: request fields, as `Name: value`.

    Raises:
        click.ClickException: that is no such URL, or no field.
    """

    def __init__(self, address: str, lines: tuple[str, ...]) -> None:
        parts = asking.parts_of(address)
        if parts is None:
            raise click.ClickException(_EXAMPLE)
        if parts.username is not None or parts.password is not None:
            raise click.ClickException(f"{_EXAMPLE}, without a user: say it by -H 'Authorization: ...'")
        self._base = urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/", "", ""))
        self._fields = [("Accept", b"application/json"), ("Accept-Encoding", b"identity")]
        self._fields += [asking.field_of(line) for line in lines]
        self.name = f"{parts.scheme}://{parts.netloc}"

    def figures(self) -> Figures:
        """Return what the page says of all workers."""
        try:
            return figures_in(self._get("figures"))
        except ValueError:
            raise click.ClickException(_OTHERS) from None

    def entries(self, url: str | None, tag: str | None, cursor: str | None, limit: int) -> Found:
        """Return a part of the entries that the page lists."""
        asked = {"url": url, "tag": tag, "cursor": cursor, "limit": str(limit)}
        said = self._get(f"entries?{urlencode({name: text for name, text in asked.items() if text is not None})}")
        if not _are_entries(said):
            raise click.ClickException(_OTHERS)
        return Found(said["entries"], said["cursor"] or None, said["examined"])

    def close(self) -> None:
        """Give nothing back: each question has a connection of its own."""

    def _get(self, path: str) -> Any:
        answer = asking.get(f"{self._base}{path}", self._fields, MAX_BYTES)
        said = _json(answer.content)
        if answer.status == 200 and said is not None:
            return said
        if answer.status == 403:
            raise click.ClickException(_CLOSED)
        if isinstance(said, dict) and isinstance(said.get("error"), str):
            raise click.ClickException(shown(f"the operator's page says {answer.status}: {said['error']:.500}"))
        raise click.ClickException(_OTHERS if answer.status == 200 else f"{_ELSEWHERE} It answers {answer.status}.")


def _json(content: bytes) -> Any:
    """Return what JSON says, None if it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _are_entries(said: Any) -> bool:
    return (
        isinstance(said, dict)
        and isinstance(said.get("entries"), list)
        and all(map(are_facts, said["entries"]))
        and isinstance(said.get("cursor", 0), str | None)
        and type(said.get("examined")) is int
    )
