"""A base class for objects that a deep copy of the scope shares with the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Uncopied:
    """An object that is its own deep copy. Middlewares such as hypercorn's `ProxyFixMiddleware` deep-copy the scope."""

    __slots__ = ()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the object itself."""
        return self
