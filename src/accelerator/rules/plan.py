"""The decision how a response may be stored, or why it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from accelerator.http.request import Vary


class Plan(NamedTuple):
    """How a response may be stored. The entry gets these values as its attributes of the same names."""

    vary: Vary
    lifetime: float
    stale_while_revalidate: float
    stale_if_error: float
    never_stale: bool
    for_cookies: bool
    for_credentials: bool
    for_codings: bool


class Refusal(str):
    """Why a response is not stored, in the words of the parameter `detail` of Cache-Status."""

    __slots__ = ()
