"""Requests, and answers as they came: each header line, and the content with its coding."""

from __future__ import annotations

import gzip
import ssl
import zlib
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from benchmarks.sites.site import HOST, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.sites.site import Visitor

BROWSER: Final[Mapping[str, str]] = {"host": HOST, "user-agent": "sites", "accept": "text/html,*/*"}


class Ask(NamedTuple):
    """A request of any visitor."""

    kind: str
    target: str
    method: str = "GET"
    fields: tuple[tuple[str, str], ...] = ()


class Reply(NamedTuple):
    """What a server answered, names of fields in lower case."""

    status: int
    lines: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str | None:
        """Return the value of the first line of this name."""
        return next((value for line, value in self.lines if line == name), None)

    def all(self, name: str) -> list[str]:
        """Return the values of all lines of this name."""
        return [value for line, value in self.lines if line == name]

    @property
    def content(self) -> bytes:
        """The content without its coding, if that is gzip or deflate; what is no whole content stays as it is."""
        coding = self.get("content-encoding")
        if self.status == HTTPStatus.PARTIAL_CONTENT or not self.body or coding not in {"gzip", "deflate"}:
            return self.body
        return gzip.decompress(self.body) if coding == "gzip" else zlib.decompress(self.body)


class Browser:
    """One visitor at one server: a connection that is kept open, and the fields that each request carries.

    Args:
        base: the server's URL.
        visitor: who visits.
        is_cache: it is a cache that is told not to count some cookies.
    """

    def __init__(self, base: str, visitor: Visitor, *, is_cache: bool) -> None:
        fields = {**BROWSER, **visitor.fields}
        cookies = [fields.pop("cookie", ""), visitor.uncounted if is_cache else ""]
        if visitor.arrive is not None:
            with open_client(base, fields, CookieJar()) as client:
                visitor.arrive(client)
                cookies += [f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar]
        if any(cookies):
            fields["cookie"] = "; ".join(filter(None, cookies))
        self._client = open_client(base, fields, CookieJar(DefaultCookiePolicy(allowed_domains=[])))

    def ask(self, ask: Ask) -> Reply:
        """Send a request, follow nothing, decode nothing."""
        request = self._client.build_request(ask.method, ask.target, headers=dict(ask.fields))
        response = self._client.send(request, stream=True)
        try:
            body = b"".join(response.iter_raw())
        finally:
            response.close()
        lines = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in response.headers.raw)
        return Reply(response.status_code, lines, body)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def open_client(base: str, fields: Mapping[str, str] = BROWSER, jar: CookieJar | None = None) -> httpx.Client:
    """Return a client for a server of ours; it says no more than it is told."""
    client = httpx.Client(
        base_url=base,
        headers=fields,
        cookies=jar,
        trust_env=False,
        timeout=PATIENCE,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # nothing here speaks TLS, and to load authorities takes long
    )
    del client.headers["accept-encoding"]  # it is said only where it is asked for
    return client
