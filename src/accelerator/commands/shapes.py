"""Whether what another process has said is what it should be, by the types that say so."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from accelerator.stores.listing import EntryFacts

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST: Final = 2.0**63


def are_facts(value: object) -> bool:
    """Tell whether a value that JSON says has all of an `EntryFacts`, its `age` and its `ttl`. It may say more."""
    return _has(value, {**_hints(EntryFacts), "age": float, "ttl": float})


@cache
def _hints(of: type) -> dict[str, Any]:
    return get_type_hints(of)


def _fits(value: object, hint: Any) -> bool:
    kind, arguments = get_origin(hint), get_args(hint)
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](value, arguments)
    if hint in {int, float}:
        kinds = (int, float) if hint is float else (int,)
        return type(value) in kinds and -_LARGEST < value < _LARGEST  # type: ignore[operator]  # it is a number
    return type(value) is (NoneType if hint is None else hint)


def _has(value: object, hints: dict[str, Any]) -> bool:
    return isinstance(value, dict) and all(name in value and _fits(value[name], hint) for name, hint in hints.items())


def _is_list(value: object, arguments: tuple[Any, ...]) -> bool:
    return isinstance(value, list | tuple) and all(_fits(one, arguments[0]) for one in value)


def _is_any(value: object, arguments: tuple[Any, ...]) -> bool:
    return any(_fits(value, argument) for argument in arguments)


_CONTAINERS: Final[dict[Any, Callable[[object, tuple[Any, ...]], bool]]] = {
    tuple: _is_list,  # each of them has one kind of parts
    UnionType: _is_any,
}
