"""The accelerator that is operated: one of ASGI, or one of WSGI, whose methods block a thread."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from accelerator.asgi import ASGIAccelerator
from accelerator.ops.answers import RequestError
from accelerator.stores.listing import Listed, ListsEntries
from accelerator.stores.loop_thread import loop_thread
from accelerator.wsgi import WSGIAccelerator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from accelerator.asgi_types import Scope
    from accelerator.figures.snapshot import Figures


class Operated:
    """An accelerator, with async methods whichever of both it is.

    Args:
        accelerator: the accelerator.

    Raises:
        TypeError: it is none.
    """

    def __init__(self, accelerator: ASGIAccelerator | WSGIAccelerator) -> None:
        if not isinstance(accelerator, ASGIAccelerator | WSGIAccelerator):
            raise TypeError(
                f"accelerator is an ASGIAccelerator or a WSGIAccelerator, not {type(accelerator).__name__}: hand over"
                " the one that is around the application"
            )
        self._accelerator = accelerator

    @classmethod
    def around(cls, scope: Scope) -> Operated:
        """Return the accelerator which is around the application that got a scope.

        Raises:
            RequestError: there is none.
        """
        accelerator = scope.get("accelerator")
        if not isinstance(accelerator, ASGIAccelerator):
            raise RequestError(
                500, "there is no ASGIAccelerator around this: name one, by OpsApp(accelerator, authorize=…)"
            )
        return cls(accelerator)

    async def invalidate_tag(self, tags: Sequence[str], *, soft: bool) -> None:
        """Do what the method of the accelerator does."""
        await _result(self._accelerator.invalidate_tag, tags, soft=soft)

    async def invalidate_url(self, url: str, *, soft: bool) -> None:
        """Do what the method of the accelerator does."""
        await _result(self._accelerator.invalidate_url, url, soft=soft)

    async def clear(self) -> None:
        """Do what the method of the accelerator does."""
        await _result(self._accelerator.clear)

    async def all_figures(self) -> Figures:
        """Do what the method of the accelerator does."""
        figures: Figures = await _result(self._accelerator.all_figures)
        return figures

    async def list_entries(self, **asked: Any) -> Listed:
        """Do what `ListsEntries.list_entries` does.

        Raises:
            RequestError: the store cannot list what it has.
        """
        store = self._accelerator.store
        if not isinstance(store, ListsEntries):
            raise RequestError(
                501, f"a {type(store).__name__} cannot list its entries: let it derive from ListsEntries"
            )
        listing = store.list_entries(**asked)
        if isinstance(self._accelerator, WSGIAccelerator) and store.suspends:  # it lives on that loop
            return await anyio.to_thread.run_sync(loop_thread.run, listing)
        return await listing


async def _result(method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a method returns. One that is not async runs in a thread, for it may wait."""
    if inspect.iscoroutinefunction(method):
        return await method(*arguments, **options)
    return await anyio.to_thread.run_sync(partial(method, *arguments, **options))
