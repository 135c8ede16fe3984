"""Write structured fields (RFC 9651) of bounded length from any text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import http_sf

if TYPE_CHECKING:
    from collections.abc import Mapping

Item: TypeAlias = "str | int | bool | http_sf.Token | http_sf.DisplayString"

MAX_TEXT_BYTES: Final = 480
"""A longer text is cut, so that one alone fills no field."""

MAX_LIST_BYTES: Final = 640
"""Of a longer list the first members are written, and the parameter `more` has the number of the others."""

CUT: Final = "cut"
"""The member that says that others are left out."""

_ELLIPSIS: Final = "..."
_MAX_INTEGER: Final = 999_999_999_999_999  # RFC 9651 §3.3.1


class Member(NamedTuple):
    """A member of a dictionary.

    Attributes:
        value: an item, or a list of texts.
        parameters: its parameters, as texts, numbers and booleans by name; None leaves one out.
    """

    value: Item | list[str]
    parameters: Mapping[str, Item | float | None] = {}


def dictionary(members: Mapping[str, Member], max_bytes: int) -> bytes:
    """Return a Dictionary of RFC 9651 §3.2, visible ASCII and blanks whatever the members say.

    Args:
        members: what is written, the most important first.
        max_bytes: a member that would make the field longer is left out, and `cut` says so.
    """
    written: list[str] = []
    room = max_bytes - len(CUT)
    is_cut = False
    for name, member in members.items():
        text = _written(name, member)
        if len(text) + 2 > room:
            is_cut = True
            continue
        written.append(text)
        room -= len(text) + 2
    return ", ".join([*written, CUT] if is_cut else written).encode("ascii")


def item(value: Item | float) -> Item:
    """Return a value as it is written: a text as a String, or as a Display String if it is not visible ASCII."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float | int) and not isinstance(value, bool):
        return int(max(-_MAX_INTEGER, min(_MAX_INTEGER, value)) // 1)
    return value


def _text(value: str) -> str | http_sf.DisplayString:
    shown = value.encode(errors="backslashreplace").decode()
    if shown.isascii() and shown.isprintable():
        return shown if len(shown) <= MAX_TEXT_BYTES else shown[:MAX_TEXT_BYTES] + _ELLIPSIS
    octets = shown.encode()
    cut = octets[: MAX_TEXT_BYTES // 3].decode(errors="ignore")  # each octet may take three characters
    return http_sf.DisplayString(cut if len(cut) == len(shown) else cut + _ELLIPSIS)


def _written(name: str, member: Member) -> str:
    parameters: dict[str, Any] = {key: item(value) for key, value in member.parameters.items() if value is not None}
    if isinstance(member.value, list):
        items, left_out = _fitting([(item(one), {}) for one in member.value])
        return http_sf.ser({name: (items, parameters | ({"more": left_out} if left_out else {}))})
    return http_sf.ser({name: (item(member.value), parameters)})


def _fitting(items: list[Any]) -> tuple[list[Any], int]:
    """Return the first items that fit into a list, and the number of the others."""
    room = MAX_LIST_BYTES
    for place, one in enumerate(items):
        room -= len(http_sf.ser(one)) + 1
        if room < 0:
            return items[:place], len(items) - place
    return items, 0
