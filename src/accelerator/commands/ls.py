"""`python -m accelerator ls`: what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from accelerator.commands.entries import state_of
from accelerator.commands.printing import say, say_json, short, shown
from accelerator.commands.sources import takes_source
from accelerator.commands.units import size
from accelerator.stores.listing import MAX_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from accelerator.commands.sources import Found, Source

_URL: Final = 120
_TAG: Final = 60
"""Characters that are shown of a URL and of a tag, or of what else chose a response."""

_TAGS: Final = 10
"""How many tags of a response are shown."""


@click.command()
@takes_source
@click.option("--tag", metavar="TAG", help="Only what has this tag.")
@click.option("--url", "page", metavar="URL", help="Only what is stored of this URL, with all its variants.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="End after so many, or a few more.",
)
@click.option("--cursor", metavar="CURSOR", help="Go on where the list before has ended.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def ls(source: Source, tag: str | None, page: str | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List what is stored: all of it, what has a tag, or what there is of a URL. Long names are cut, but in JSON."""
    parts = _parts(source, page, tag, cursor, limit)
    if as_json:
        _write_json(parts)
    else:
        _write(parts, page, tag, is_begun=cursor is not None)


def _parts(source: Source, page: str | None, tag: str | None, cursor: str | None, limit: int) -> Iterator[Found]:
    """Yield what is stored part by part, to the end or to the limit."""
    while limit > 0:
        found = source.entries(page, tag, cursor, min(limit, MAX_LIMIT))
        yield found
        if found.cursor is None:
            break
        cursor = found.cursor
        limit -= len(found.entries)


def _write_json(parts: Iterator[Found]) -> None:
    """Write all parts as one."""
    found = [*parts]
    entries = [entry for part in found for entry in part.entries]
    say_json({"entries": entries, "cursor": found[-1].cursor, "examined": sum([part.examined for part in found])})


def _write(parts: Iterator[Found], page: str | None, tag: str | None, *, is_begun: bool) -> None:
    """Write a line for each entry as soon as it is found."""
    number = examined = 0
    cursor = None
    for part in parts:
        for facts in part.entries:
            say(shown(_line(facts)))
        number += len(part.entries)
        examined += part.examined
        cursor = part.cursor
    if cursor is not None:
        click.echo(f"There may be more: go on with --cursor {shown(cursor)}, or say a larger --limit.", err=True)
    elif not number:
        what = [f"of {page}"] * (page is not None) + [f"with the tag {tag}"] * (tag is not None)
        words = " ".join(["nothing more is stored" if is_begun else "nothing is stored", *what])
        click.echo(shown(f"{words} (entries looked at: {examined:,})"), err=True)


def _line(facts: Mapping[str, Any]) -> str:
    fields = zip(facts["vary"], facts["selected_by"], strict=False)
    chosen = ", ".join([short(f"{name}: {value}", _TAG) for name, value in fields])
    kind = "" if facts["method"] == "GET" else f"{facts['method']} "
    words = [
        f"{facts['status']:>3} {size(facts['size']):>10}  {state_of(facts):<34}  {kind}{short(facts['url'], _URL)}"
    ]
    if chosen:
        words.append(f"({chosen})")
    if facts["partition"]:
        words.append("(of one partition)")
    if facts["tags"]:
        words.append(f" tags: {_tags(facts['tags'])}")
    return " ".join(words)


def _tags(tags: Sequence[str]) -> str:
    some = ", ".join([short(tag, _TAG) for tag in tags[:_TAGS]])
    return f"{some} and {len(tags) - _TAGS} more" if len(tags) > _TAGS else some
