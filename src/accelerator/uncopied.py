"""What stays one thing, however often what holds it is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Uncopied:
    """Is its own deep copy: middlewares such as hypercorn's `ProxyFixMiddleware` deep-copy the scope that holds it."""

    __slots__ = ()

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself."""
        return self
