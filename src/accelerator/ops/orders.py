"""What an operator wants to be taken back, as a request says it."""

from __future__ import annotations

import json
import re
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from accelerator.ops.answers import RequestError
from accelerator.tags import InvalidTagError, tag_of_url, valid_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

MAX_CONTENT_BYTES: Final = 2 * 1024 * 1024
MAX_NAMES: Final = 1000
"""These limit the content of a request, and each of its lists."""

_EXAMPLE: Final = '{"tags": ["user:42"], "urls": ["https://example.org/p"], "soft": false}'
_KNOWN: Final = ("tags", "urls", "all", "soft")
_PATH: Final = "/:@!$&'()*+,;=[]"
_TARGET: Final = re.compile(rb"/(https?:)/{1,2}([^/].*)", re.IGNORECASE | re.DOTALL)  # some proxies write // as /


class Order(NamedTuple):
    """What is to be taken back.

    Attributes:
        tags: valid tags, each once.
        urls: absolute URLs, each once.
        everything: whether it is all that is stored; then there are neither tags nor URLs.
        soft: whether it becomes stale, instead of never being used again.
    """

    tags: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    everything: bool = False
    soft: bool = False


async def order_of(request: Request) -> Order:
    """Return what the content of a POST asks for.

    Raises:
        RequestError: it is not what an order looks like.
    """
    types = request.headers.getlist("content-type")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        raise RequestError(415, "say Content-Type: application/json, with content such as " + _EXAMPLE)
    said = _parsed(await _content_of(request))
    if unknown := [name for name in said if name not in _KNOWN]:
        raise RequestError(400, f"an order has {', '.join(_KNOWN)}, not {unknown[0]!r:.80}")
    tags, urls = _names(said, "tags", checked_tag), _names(said, "urls", checked_url)
    order = Order(tags, urls, _flag(said, "all"), _flag(said, "soft"))
    if order.everything == bool(tags or urls) or (order.everything and order.soft):
        raise RequestError(400, 'name what to take back by tags or urls, or say {"all": true}, which is never soft')
    return order


def url_in_target(request: Request) -> str | None:
    """Return the absolute URL in the path of a PURGE, as in `/ops/https://example.org/p?x=1`; None if there is none.

    Raises:
        RequestError: it can be no URL.
    """
    scope = request.scope
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PATH).encode()
    found = _TARGET.search(path)
    if found is None:
        return None
    query: bytes = b"?" + scope["query_string"] if scope["query_string"] else b""
    return checked_url((found[1] + b"//" + found[2] + query).decode("utf-8", "surrogateescape"), "the URL")


async def _content_of(request: Request) -> bytes:
    content = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            content += chunk
            if len(content) > MAX_CONTENT_BYTES:
                raise RequestError(413, f"an order has at most {MAX_CONTENT_BYTES} bytes: send several")
    return bytes(content)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError):  # as for numbers of thousands of digits, or thousands of brackets
        said = None
    if not isinstance(said, dict):
        raise RequestError(400, "the content is not a JSON object such as " + _EXAMPLE)
    return said


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Where a name came twice, one of the values would be silently left out."""
    said = dict(pairs)
    if len(said) < len(pairs):
        raise RequestError(400, "a name stands twice in the content: say each once")
    return said


def _names(said: dict[str, Any], kind: str, checked: Callable[[object, str], str]) -> tuple[str, ...]:
    names = said.get(kind, [])
    if not isinstance(names, list):
        raise RequestError(400, f"{kind} is a list of strings, not {json.dumps(names):.80}")
    if len(names) > MAX_NAMES:
        raise RequestError(400, f"{kind} has at most {MAX_NAMES} names, not {len(names)}: send several requests")
    return tuple(dict.fromkeys(checked(name, f"{kind}[{place}]") for place, name in enumerate(names)))


def _flag(said: dict[str, Any], name: str) -> bool:
    flag = said.get(name, False)
    if not isinstance(flag, bool):
        raise RequestError(400, f"{name} is true or false, not {json.dumps(flag):.80}")
    return flag


def checked_tag(name: object, place: str) -> str:
    """Return a tag that can be taken back.

    Args:
        name: what the request names.
        place: where it does so, for the message.

    Raises:
        RequestError: it is none.
    """
    try:
        return valid_tag(name)
    except (InvalidTagError, TypeError) as error:
        raise RequestError(400, f"{place}: {error}") from None


def checked_url(url: object, place: str) -> str:
    """Return a URL that can be taken back. Blanks and control characters would be left out of it on the way.

    Args:
        url: what the request names.
        place: where it does so, for the message.

    Raises:
        RequestError: it is none.
    """
    if isinstance(url, str) and url.isprintable() and " " not in url:
        with suppress(ValueError):
            tag_of_url(url)
            return url
    raise RequestError(400, f"{place} is not an absolute http or https URL such as https://example.org/p: {url!r:.80}")
