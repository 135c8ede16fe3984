"""What belongs to one visitor, and who is given it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.sites.differences import CHANGING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.sites.differences import Case
    from benchmarks.sites.wire import Reply

SHORTEST: Final = 12
"""Letters that a cookie's value has at least to belong to somebody: a language or a choice of colours does not."""


class Secrets:
    """What each visitor of one server was given for oneself: cookies, and what pages hold for one visitor alone."""

    def __init__(self) -> None:
        self._owners: dict[bytes, str] = {}

    def given(self, case: Case, visitor: str, reply: Reply) -> list[str]:
        """Remember what an answer gives its visitor, and say what of it belongs to another one."""
        return [
            f"{visitor} was given what belongs to {owner}: {secret!r}"
            for secret in _secrets(case, reply)
            if (owner := self._owners.setdefault(secret, visitor)) != visitor
        ]


def _secrets(case: Case, reply: Reply) -> Iterator[bytes]:
    for line in reply.all("set-cookie"):
        value = line.partition(";")[0].partition("=")[2]
        if len(value) >= SHORTEST:
            yield value.encode("latin-1")
    for each in CHANGING:
        if each.is_secret and each.holds(case):
            yield from (found[found.lastindex or 0] for found in each.pattern.finditer(reply.content))
