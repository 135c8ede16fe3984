"""An HTTP response cache inside a Python application: a change of data invalidates all responses made from it."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from accelerator.asgi import ASGIAccelerator
from accelerator.events import CacheEvent
from accelerator.http.credentials import CREDENTIALS
from accelerator.notes import cache_for, no_store, tag, vary
from accelerator.options import UNSTORED_FIELDS
from accelerator.stores.memory import MemoryStore
from accelerator.stores.protocol import InvalidationError, Lookup, Store
from accelerator.stores.sync import SyncStore
from accelerator.views import cached
from accelerator.wsgi import WSGIAccelerator

if TYPE_CHECKING:
    from accelerator.stores.lmdb import LMDBStore
    from accelerator.stores.redis import RedisStore

__all__ = [
    "CREDENTIALS",
    "UNSTORED_FIELDS",
    "ASGIAccelerator",
    "CacheEvent",
    "InvalidationError",
    "LMDBStore",
    "Lookup",
    "MemoryStore",
    "RedisStore",
    "Store",
    "SyncStore",
    "WSGIAccelerator",
    "cache_for",
    "cached",
    "no_store",
    "tag",
    "vary",
]


class _Extra(NamedTuple):
    """A part of the package that needs an extra: its module, the extra, and the modules that come with that."""

    module: str
    extra: str
    needs: tuple[str, ...]


_EXTRAS: Final = {
    "LMDBStore": _Extra("accelerator.stores.lmdb", "lmdb", ("lmdb", "msgpack")),
    "RedisStore": _Extra("accelerator.stores.redis", "redis", ("hiredis", "msgpack", "redis")),
}

if not TYPE_CHECKING:
    for _name, _extra in _EXTRAS.items():
        if not all(map(find_spec, _extra.needs)):
            __all__.remove(_name)  # `from accelerator import *` imports every name in it


def __getattr__(name: str) -> object:
    """Import a store that needs an extra of the package when it is first used."""
    if name not in _EXTRAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra, _ = _EXTRAS[name]
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        raise ImportError(f'{name} needs an extra: pip install "asgi-accelerator[{extra}]"') from error
