"""What commands write: text of strangers shows as text in a terminal, whatever it contains."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec

import click


def need(command: str, extras: str, *modules: str) -> None:
    """End the command in one line if a module is missing that comes with the extras."""
    if missing := [name for name in modules if find_spec(name) is None]:
        click.echo(f'The {command} needs {", ".join(missing)}: pip install "asgi-accelerator[{extras}]"', err=True)
        raise SystemExit(2)


def shown(text: str) -> str:
    r"""Return a text as a terminal may show it: in one line, and without what steers it or turns its direction.

    What cannot be printed is escaped, as `\n`, `\x1b` or `\u202e`, and so is what is no character at all.
    """
    return "".join([one if one.isprintable() else one.encode("unicode_escape").decode() for one in text])


def short(text: str, length: int) -> str:
    """Return a text as a terminal may show it, cut to a number of characters."""
    whole = shown(text)
    return whole if len(whole) <= length else f"{whole[: length - 1]}…"


def writable(line: str, encoding: str | None) -> str:
    """Return a line in which what an encoding does not have is escaped."""
    encoding = encoding or "ascii"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def say(line: str = "") -> None:
    """Write a line. What the terminal's encoding does not have is escaped."""
    click.echo(writable(line, sys.stdout.encoding))


def say_json(value: object) -> None:
    """Write a value as JSON in ASCII, indented."""
    click.echo(json.dumps(value, indent=2))
