"""`python -m accelerator explain`: why a URL is, or is not, answered from the cache."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from accelerator.commands import asking, explaining
from accelerator.commands.entries import described, details_of, in_order, state_of
from accelerator.commands.printing import say, say_json, shown
from accelerator.commands.stores import EXAMPLES, open_present, store_errors, store_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerator.stores.listing import EntryFacts
    from accelerator.stores.protocol import Store

TOKEN: Final = "ACCELERATOR_DEBUG_TOKEN"  # noqa: S105 - the name of the variable, not its value
"""The environment variable that has the token of the option `debug`."""

_UNTOLD: Final = (
    "The site has told no more. Give its middleware debug=TOKEN, and this command the same by --token or"
    f" {TOKEN}; a cache in front may have answered, which is not asked for a token."
)


_ELSEWHERE: Final = (
    "A URL is stored without the query parameters that the site ignores, and as the application sees it: with the host"
    " that its clients name."
)


@click.command()
@click.option("--token", metavar="TOKEN", envvar=TOKEN, show_envvar=True, help="The token of the site's option debug.")
@click.option(
    *("-H", "--header", "lines"), multiple=True, metavar="FIELD", help="A request field, such as 'Cookie: a=b'."
)
@store_option(f"Read the store that the workers share, such as {EXAMPLES}, in place of asking the site.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.argument("address", metavar="ADDRESS")
def explain(address: str, token: str | None, lines: tuple[str, ...], url: str | None, as_json: bool) -> None:
    """Say why a URL is, or is not, answered from the cache, and what would make it storable.

    The running site is asked once, by GET. With --store, or with ACCELERATOR_STORE and without a token, what is stored
    for the URL is listed, and nobody is asked.
    """
    context = click.get_current_context()
    is_named = {name for name in ("token", "url") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if len(is_named) == 2:
        raise click.UsageError("--token asks the site, and --store reads what is stored: take one of them")
    if url is not None and ("url" in is_named or token is None):
        _list(address, url, as_json=as_json)
    else:
        _ask(address, token, lines, as_json=as_json)


def _ask(address: str, token: str | None, lines: tuple[str, ...], *, as_json: bool) -> None:
    fields = [asking.field_of(line) for line in lines]
    if token is not None:
        if not (token.isascii() and token.isprintable()):
            raise click.ClickException("the token has characters that no field may have")
        fields.append(("Accelerator-Debug", token.encode("ascii")))
    answer = asking.get(address, fields)
    try:
        reasoning = explaining.reasoning_of(answer.fields)
    except ValueError:
        words = "the site's Accelerator-Debug or Cache-Status cannot be read: is it of another software?"
        raise click.ClickException(words) from None
    if not reasoning:
        raise click.ClickException(
            f"the site answers {answer.status}, and says nothing of a cache: does the request go through it? {_UNTOLD}"
        )
    if as_json:
        say_json(explaining.as_json(address, answer.status, reasoning))
        return
    for line in explaining.lines_of(address, answer.status, reasoning):
        say(shown(line))
    if "accelerator-debug" not in answer.fields:
        say(_UNTOLD)


def _list(address: str, url: str, *, as_json: bool) -> None:
    with store_errors(url):
        store = open_present(url)
    try:
        entries = asyncio.run(_entries(store, address))
    except Exception as error:  # noqa: BLE001 - a store may raise anything
        raise click.ClickException(shown(f"what {store!r} has cannot be listed: {error}")) from None
    now = time.time()
    if as_json:
        say_json({"url": address, "entries": [described(entry, now) for entry in entries]})
        return
    for line in _listed(address, entries, now):
        say(shown(line))


async def _entries(store: Store, address: str) -> list[EntryFacts]:
    """Return all that the store has of a URL, and close the store."""
    from accelerator.stores.listing import ListsEntries

    assert isinstance(store, ListsEntries)  # noqa: S101 - all do that have a URL and are shared
    try:
        found = await store.list_entries(url=address)
        entries = [*found.entries]
        while found.cursor is not None:
            found = await store.list_entries(url=address, cursor=found.cursor)
            entries += found.entries
        return entries
    finally:
        await store.aclose()


def _listed(address: str, entries: list[EntryFacts], now: float) -> Iterator[str]:
    """Yield what is stored for a URL in lines for a reader."""
    if not entries:
        yield f"{address}: nothing is stored. {_ELSEWHERE}"
        return
    yield f"{address}: {len(entries)} {'response' if len(entries) == 1 else 'responses'} stored"
    for entry in sorted(entries, key=in_order):
        facts = described(entry, now)
        yield f"  {entry.method} {entry.url}: {entry.status}, {entry.size} bytes, {state_of(facts)}"
        for label, words in details_of(entry):
            yield f"    {label:13}{words}"
