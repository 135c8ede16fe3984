"""Someone downstream of a store who notes what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.stores.observed import Downstream

if TYPE_CHECKING:
    from collections.abc import Collection

    from accelerator.figures.snapshot import DownstreamFigures


class Noting(Downstream):
    """Notes what it is told: the tags, and whether they were invalidated softly."""

    def __init__(self) -> None:
        self.told: list[tuple[tuple[str, ...], bool]] = []
        self.is_closed = False

    def take_back(self, tags: Collection[str], *, soft: bool) -> None:
        self.told.append((tuple(tags), soft))

    def figures(self) -> dict[str, DownstreamFigures]:
        return {"noting": {"sent": len(self.told), "failed": 0, "waiting": 0}}

    async def aclose(self) -> None:
        self.is_closed = True
