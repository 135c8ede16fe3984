"""The links of a page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urljoin, urlsplit

from benchmarks.sites.site import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.sites.wire import Reply

ATTRIBUTES: Final = {"href", "src", "data-src", "poster"}
"""What names another resource, on whatever element."""

ALREADY: Final = "%/?:@!$&'()*+,;=~"
"""What stays as it is in a target (RFC 3986 §3.3, §3.4); anything else is a browser's to escape."""

_MANY: Final = {"srcset", "imagesrcset"}


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and tag == "base" and name == "href":
                self.base = value
            elif value and name in ATTRIBUTES:
                self.found.append(value)
            elif value and name in _MANY:
                self.found += [candidate.split()[0] for candidate in value.split(",") if candidate.strip()]


def links(target: str, reply: Reply) -> list[str]:
    """Return the targets of the same site that an answer leads to, each once, in their order.

    Args:
        target: what was asked for; relative links are relative to it.
        reply: a page in HTML, or a redirect.
    """
    here = f"http://{HOST}{target}"
    found = [*reply.all("location"), *reply.all("content-location")]
    if (reply.get("content-type") or "").startswith("text/html"):
        page = _Links()
        page.feed(reply.content.decode("utf-8", "replace"))
        here = urljoin(here, page.base)
        found += page.found
    return list(dict.fromkeys(_same_site(here, found)))


def _same_site(here: str, found: Iterable[str]) -> Iterator[str]:
    for link in found:
        try:
            url = urlsplit(urljoin(here, link.strip()))
        except ValueError:  # what is no URL leads nowhere
            continue
        if url.scheme in {"http", "https"} and url.netloc == HOST:
            yield quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=ALREADY)
