"""The calls by which each kind of cache is told what to purge."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from accelerator.fanout.waiting import Purge

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_IDENTIFIER: Final = re.compile(r"[0-9A-Za-z]+")


class Target(ABC):
    """A cache downstream. Derive from it for one of another kind.

    Args:
        name: its name in figures and in the log.

    Attributes:
        name: the same.
        max_keys: the number of keys that one call may have.
    """

    max_keys: int = 100

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"

    @abstractmethod
    def send(self, client: httpx.Client, purge: Purge) -> httpx.Response:
        """Send a call, and return its answer.

        Raises:
            httpx.HTTPError: there was no answer.
        """
        ...

    def has_taken(self, answer: httpx.Response) -> bool:
        """Tell whether the answer says that it is done, or will be."""
        return answer.is_success


class Fastly(Target):
    """A service of Fastly, which reads tags from `Surrogate-Key`.

    Args:
        service: its identifier.
        token: a token of its API, with the scopes `purge_select` and `purge_all`.
        name: its name in figures and in the log.
        api: where the API is.

    Raises:
        TypeError: `service` or `token` is not a `str`.
        ValueError: `service` is not of letters and digits, or `token` is empty or has blanks.
    """

    max_keys = 256

    def __init__(self, service: str, token: str, *, name: str = "Fastly", api: str = "https://api.fastly.com") -> None:
        super().__init__(name)
        self._url = f"{api}/service/{_identifier('service', service)}"
        self._token = _token(token)

    def send(self, client: httpx.Client, purge: Purge) -> httpx.Response:
        """Purge up to 256 keys by one call, or everything."""
        headers = {"Fastly-Key": self._token, "Accept": "application/json"}
        if not purge.keys:
            return client.post(f"{self._url}/purge_all", headers=headers)
        if purge.soft:
            headers["Fastly-Soft-Purge"] = "1"
        return client.post(f"{self._url}/purge", headers=headers, json={"surrogate_keys": purge.keys})


class Cloudflare(Target):
    """A zone of Cloudflare, which reads tags from `Cache-Tag`. It has no soft purges: each is a hard one.

    Args:
        zone: its identifier.
        token: a token of its API, with the permission to purge the cache of the zone.
        name: its name in figures and in the log.
        api: where the API is.

    Raises:
        TypeError: `zone` or `token` is not a `str`.
        ValueError: `zone` is not of letters and digits, or `token` is empty or has blanks.
    """

    max_keys = 100

    def __init__(
        self, zone: str, token: str, *, name: str = "Cloudflare", api: str = "https://api.cloudflare.com/client/v4"
    ) -> None:
        super().__init__(name)
        self._url = f"{api}/zones/{_identifier('zone', zone)}/purge_cache"
        self._token = _token(token)

    def send(self, client: httpx.Client, purge: Purge) -> httpx.Response:
        """Purge up to 100 tags by one call, or everything."""
        content: dict[str, Any] = {"tags": purge.keys} if purge.keys else {"purge_everything": True}
        return client.post(self._url, headers={"Authorization": f"Bearer {self._token}"}, json=content)

    def has_taken(self, answer: httpx.Response) -> bool:
        """Tell whether the answer has `"success": true`."""
        try:
            said = answer.json()
        except ValueError:
            return False
        return answer.is_success and isinstance(said, dict) and said.get("success") is True


class Varnish(Target):
    """A Varnish with the module xkey, which reads tags from `xkey`, and whose VCL is told what `docs/fanout.md` shows.

    Args:
        url: where it listens, such as `http://10.0.0.7:6081`. User and password in it are sent by `Authorization`.
        name: its name in figures and in the log.

    Raises:
        TypeError: `url` is not a `str`.
        ValueError: it is not the http or https URL of a server.
    """

    max_keys = 60  # one line of at most 8 KiB

    def __init__(self, url: str, *, name: str = "Varnish") -> None:
        super().__init__(name)
        if not isinstance(url, str):
            raise TypeError(f"url is a str, not {type(url).__name__}")
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL()
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.path != "/" or parsed.query:
            raise ValueError("url is that of a server, such as http://10.0.0.7:6081")  # it may have a password
        self._auth = (parsed.username, parsed.password) if parsed.userinfo else None
        self._url = parsed.copy_with(userinfo=b"")

    def send(self, client: httpx.Client, purge: Purge) -> httpx.Response:
        """Purge up to 60 keys by one `PURGE`, or everything by one `BAN`."""
        if not purge.keys:
            return client.request("BAN", self._url, auth=self._auth)
        field = "xkey-softpurge" if purge.soft else "xkey-purge"
        return client.request("PURGE", self._url, headers={field: " ".join(purge.keys)}, auth=self._auth)


def _identifier(what: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} is a str, not {type(text).__name__}")
    if _IDENTIFIER.fullmatch(text) is None:
        raise ValueError(f"{what} is an identifier of letters and digits")  # not its value: it may be the token
    return text


def _token(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"token is a str, not {type(text).__name__}")
    if _TOKEN.fullmatch(text) is None:
        raise ValueError("token is of visible ASCII characters, without blanks")
    return text
