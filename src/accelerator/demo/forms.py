"""Input from forms: it is limited in size and checked, and shown again with the reason if it is refused."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, HTTPException, Request

from accelerator.demo.database import HANDLES

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST: Final = {"name": 40, "status": 80, "wall": 280}
"""Number of characters that each text field accepts."""

LARGEST_FORM: Final = 16 * 1024
"""Bytes that a form may have."""


class RefusedError(Exception):
    """Input that was refused.

    Args:
        problem: the reason, shown to the sender.
        values: all that was sent, to be shown again, so that nothing is lost.
    """

    def __init__(self, problem: str, values: Mapping[str, str]) -> None:
        super().__init__(problem)
        self.problem = problem
        self.values = values


class Form:
    """The fields of a form.

    Args:
        values: the values as they were sent, by name.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, limit: int) -> str:
        """Return the field `text`, which has 1 to `limit` printable characters.

        Raises:
            RefusedError: it is empty, too long, or has control characters.
        """
        text = self._values.get("text", "").replace("\r\n", "\n").strip()
        if not any(character.isprintable() and not character.isspace() for character in text):
            raise RefusedError("Write something first.", self._values)
        if any(unicodedata.category(character) == "Cc" and character != "\n" for character in text):
            raise RefusedError("There is a character in it that cannot be shown.", self._values)
        if len(text) > limit:
            raise RefusedError(f"Up to {limit} characters, please: these are {len(text)}.", self._values)
        return text

    def person(self, *, other_than: str | None = None) -> str:
        """Return the field `person`, the handle of a person of the site.

        Raises:
            RefusedError: there is no such person, or it is `other_than`.
        """
        handle = self._values.get("person", "")
        if handle not in HANDLES or handle == other_than:
            raise RefusedError("Choose somebody from the list.", self._values)
        return handle


async def _read(request: Request) -> Form:
    """Read a form that has a Content-Length, as those of browsers have, of at most `LARGEST_FORM`."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise HTTPException(411, "A form has to say how long it is.")
    if int(length) > LARGEST_FORM:
        raise HTTPException(413, f"A form has up to {LARGEST_FORM} bytes here.")
    form = await request.form(max_files=0)
    # a form may name an encoding with characters that UTF-8 does not have: they become question marks
    return Form({name: str(value).encode(errors="replace").decode() for name, value in form.items()})


Fields = Annotated[Form, Depends(_read)]
