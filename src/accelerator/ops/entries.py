"""What is stored, and the story of one URL, as JSON."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from anyio.lowlevel import checkpoint

from accelerator.figures.counts import shown
from accelerator.ops.answers import RequestError
from accelerator.ops.orders import checked_tag, checked_url
from accelerator.tags import tag_of_url

if TYPE_CHECKING:
    from starlette.requests import Request

    from accelerator.figures.snapshot import Figures
    from accelerator.ops.operated import Operated
    from accelerator.stores.listing import EntryFacts, Listed

logger = logging.getLogger("accelerator.ops")

LIMIT: Final = 100
MAX_LIMIT: Final = 1000
"""How many entries one answer has, unless the request says another number, and at most."""

MAX_LOOKS: Final = 20
"""How often the store is asked for one story. What is left then is behind its cursor."""


MAX_WORDS: Final = 500
"""How many characters an answer and the log have of what a store says of its failure."""


async def figures(operated: Operated) -> Figures:
    """Return the figures of all workers.

    Raises:
        RequestError: the store fails.
    """
    try:
        return await operated.all_figures()
    except Exception as error:  # noqa: BLE001 - a store may raise anything
        raise _failure(error) from None


async def entries(operated: Operated, request: Request) -> dict[str, Any]:
    """Return the entries that the parameters of a request ask for: `url` or `tag`, `cursor`, `limit`.

    Raises:
        RequestError: a parameter is wrong, or the store fails.
    """
    asked = _parameters(request, {"url", "tag", "cursor", "limit"})
    if "url" in asked:
        checked_url(asked["url"], "url")
    if "tag" in asked:
        checked_tag(asked["tag"], "tag")
    limit = _limit(asked.pop("limit", str(LIMIT)))
    listed = await _listed(operated, limit=limit, **asked)
    hits = dict((await figures(operated))["urls"])
    return {
        "entries": [_described(facts, hits) for facts in listed.entries],
        "cursor": listed.cursor,
        "examined": listed.examined,
    }


async def story(operated: Operated, request: Request) -> dict[str, Any]:
    """Return what is known of one URL: its variants, the latest requests for it, and why it was not stored.

    Raises:
        RequestError: the parameter `url` is missing or wrong, or the store fails.
    """
    asked = _parameters(request, {"url"})
    if "url" not in asked:
        raise RequestError(400, "name the URL whose story it is: story?url=https%3A%2F%2Fexample.org%2Fp")
    url = checked_url(asked["url"], "url")
    place = tag_of_url(url)
    variants: list[EntryFacts] = []
    for _ in range(MAX_LOOKS):
        await checkpoint()  # a store need not wait, and requests are to go on meanwhile
        listed = await _listed(operated, limit=LIMIT, **asked)
        variants += listed.entries
        asked["cursor"] = listed.cursor
        if listed.cursor is None:
            break
    counted = await figures(operated)
    hits = dict(counted["urls"])
    return {
        "url": url,
        "entries": [_described(facts, hits) for facts in variants],
        "cursor": asked["cursor"],
        "latest": [line for line in counted["latest"] if _is_at(place, line["url"], url)],
        "unstored": [[reason, number] for reason, other, number in counted["unstored"] if _is_at(place, other, url)],
    }


def _described(facts: EntryFacts, hits: dict[str, int]) -> dict[str, Any]:
    """Return the facts of an entry with its age, the seconds for which it is fresh, and its hits if known."""
    age = facts.initial_age + max(0.0, time.time() - facts.received)
    ttl = facts.lifetime - age
    return {
        **facts._asdict(),
        "age": age,
        "ttl": ttl if facts.is_usable and facts.is_fresh else min(ttl, 0.0),
        "hits": hits.get(shown(facts.url)),
    }


async def _listed(operated: Operated, **asked: Any) -> Listed:
    try:
        return await operated.list_entries(**asked)
    except RequestError:
        raise
    except ValueError as error:
        if "cursor" not in asked:
            raise _failure(error) from None
        raise RequestError(400, "this cursor is none of this store: leave it out to begin anew") from None
    except Exception as error:  # noqa: BLE001 - a store may raise anything
        raise _failure(error) from None


def _failure(error: Exception) -> RequestError:
    """Log why the store did not answer, and return what says so. The words are those of the store, in one line."""
    words = "".join([one if one.isprintable() else "?" for one in str(error)[:MAX_WORDS]]) or "it does not say why"
    logger.warning("an operator's question failed: %s: %s", type(error).__name__, words)
    return RequestError(503, f"the store did not answer, ask again later: {words}")


# --- parameters -------------------------------------------------------------------------------------------------------


def _parameters(request: Request, known: set[str]) -> dict[str, Any]:
    """Return the parameters of a request that are not empty.

    Raises:
        RequestError: there is an unknown one, or one stands twice.
    """
    items = request.query_params.multi_items()
    if unknown := [name for name, _ in items if name not in known]:
        raise RequestError(400, f"the parameters are {', '.join(sorted(known))}, not {unknown[0]!r:.80}")
    if len(dict(items)) < len(items):
        raise RequestError(400, "a parameter stands twice: say each once")
    return {name: value for name, value in items if value}


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise RequestError(400, f"limit is a number from 1 to {MAX_LIMIT}, not {text!r:.80}")
    return int(text)


def _is_at(place: str, other: str, url: str) -> bool:
    """Tell whether a URL of the figures, where long ones are cut, is the one that was asked for."""
    try:
        return other == shown(url) or tag_of_url(other) == place
    except ValueError:
        return False
