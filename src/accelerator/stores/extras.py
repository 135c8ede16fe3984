"""The stores that need an extra of the package, and what is said where it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, NamedTuple


class Extra(NamedTuple):
    """What a store needs.

    Attributes:
        module: where the store is.
        name: the extra.
        needs: the modules that come with the extra.
    """

    module: str
    name: str
    needs: tuple[str, ...]


EXTRAS: Final = {
    "LMDBStore": Extra("accelerator.stores.lmdb", "lmdb", ("lmdb", "msgpack")),
    "RedisStore": Extra("accelerator.stores.redis", "redis", ("hiredis", "msgpack", "redis")),
    "TieredStore": Extra("accelerator.stores.tiered", "redis", ("hiredis", "msgpack", "redis")),
}


def store_class(name: str) -> Any:
    """Import the class of a store that needs an extra.

    Raises:
        ImportError: the extra is not installed. The message says how to install it.
    """
    extra = EXTRAS[name]
    try:
        return getattr(import_module(extra.module), name)
    except ImportError as error:
        raise ImportError(f'{name} needs an extra: pip install "asgi-accelerator[{extra.name}]"') from error
