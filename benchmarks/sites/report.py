"""What came of the sites: in words for who runs it, and as docs/sites.md."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from benchmarks.sites import differences as declared
from benchmarks.sites.run import DOORS, STORES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.sites.differences import Difference
    from benchmarks.sites.site import Site
    from benchmarks.sites.visit import Outcome

SHOWN: Final = 3
"""How many of the faults with the same words are named."""

HEAD: Final = """\
# Sites

Software from PyPI, as it is, served bare and behind the cache: in the middleware and behind the gateway, with a
`MemoryStore` and a `RedisStore`. `nox -s sites` makes an environment for each, follows its links as two users, as
nobody, and as a newcomer with cookies that nobody had before, and asks for each URL that it finds as each of them: with
GET, with gzip, with HEAD, for a range, and by its validators; before it is stored, while it is, and again. Each answer
is compared with that of the bare site to the same visitor: status, header lines and their order, bytes. What may differ
is [listed below](#what-may-differ). Anything else fails the session, and so does what one visitor was given of another,
and a listed difference that was not met. The session writes this page.

## What is kept

Of the URLs that nobody is shown, those whose answer came from the store when the newcomer asked.

"""


def lines(outcome: Outcome) -> Iterator[str]:
    """Say what came of one site behind one door with one store; faults with the same words once."""
    kept = f"{outcome.kept} of {outcome.pages} kept"
    yield f"{outcome.site}, {outcome.door}, {outcome.store}: {outcome.compared} answers compared, {kept}"
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for fault in outcome.faults:
        where, _, words = fault.partition("): ")
        alike[re.sub(r"'.*'|\d+|\[.*", "", words or where)].append(fault)
    for faults in alike.values():
        yield from (f"    {fault}" for fault in faults[:SHOWN])
        if len(faults) > SHOWN:
            yield f"    … and {len(faults) - SHOWN} more like these"


def page(sites: Sequence[Site], outcomes: Sequence[Outcome]) -> str:
    """Return the page."""
    return "".join([HEAD, *_table(sites, outcomes), *_why(sites, outcomes), *_sites(sites), *_differences()])


def _table(sites: Sequence[Site], outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "| site | software | behind | answers compared | kept in memory | kept in Redis |\n"
    yield "|---|---|---|--:|--:|--:|\n"
    by = {(each.site, each.door, each.store): each for each in outcomes}
    for site in sites:
        for door in DOORS:
            found = [by[site.name, door, store] for store in STORES]
            kept = " | ".join(f"{each.kept} of {each.pages}" for each in found)
            yield f"| {site.name} | {site.requires[0]} | {door} | {sum(each.compared for each in found)} | {kept} |\n"


def _why(sites: Sequence[Site], outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "\nWhy the others were not, as `Cache-Status` says (middleware, in memory):\n\n"
    for site in sites:
        reasons = next(
            each for each in outcomes if (each.site, each.door, each.store) == (site.name, DOORS[0], STORES[0])
        ).reasons
        if reasons:
            yield f"* {site.name}: {', '.join(f'{count} `{why}`' for why, count in sorted(reasons.items()))}\n"


def _sites(sites: Sequence[Site]) -> Iterator[str]:
    yield "\n## The sites\n\n| site | what it is | server | options of the cache |\n|---|---|---|---|\n"
    for site in sites:
        options = ", ".join(f"{name}={value!r}" for name, value in site.options.items())
        yield f"| {site.name} | {site.about} | {site.server} | `{options}` |\n"


def _differences() -> Iterator[str]:
    yield "\n## What may differ\n\n**Header lines that need not be the same:**\n\n"
    yield from (_item(f"`{each.field}`", each) for each in declared.FREE)
    yield "\n**Header lines that the cache may add where the site says none of that name:**\n\n"
    yield from (_item(f"`{each.field}`", each) for each in declared.ADDED)
    yield "\n**Answers of the store in place of the site's own:**\n\n"
    yield from (
        _item(f"{each.instead_of} → {each.status or 'the status of the GET'}", each) for each in declared.ANSWERS
    )
    yield "\n**What no two answers of the site have in common**, and with it `Content-Length` and `ETag`:\n\n"
    yield from (_item(f"`{each.pattern.pattern.decode()}`", each) for each in declared.CHANGING)
    yield from (_item("the bytes of the same content in the same coding", each) for each in declared.RECOMPRESSED)
    yield "\n**What is not asked for:**\n\n"
    yield from (_item(f"`{each.target}`", each) for each in declared.LEFT_OUT)
    yield "\nNames of fields are compared without regard to case (RFC 9110 §5.1). "
    yield "A 304 may say more than it has to (RFC 9110 §15.4.5).\n"


def _item(what: str, each: Difference) -> str:
    limits = ", ".join([*each.sites, *each.doors, *each.kinds])
    return f"* {what}{limits and f' ({limits})'}: {each.reason}\n"
