"""The public names, and what an extra that is missing says."""

from __future__ import annotations

import sys

import pytest

import accelerator


def test_every_public_name_is_there() -> None:
    assert all(hasattr(accelerator, name) for name in accelerator.__all__)


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerator.stores.redis", None)
    with pytest.raises(ImportError, match=r"asgi-accelerator\[redis\]"):
        accelerator.RedisStore  # noqa: B018 - asking for it imports it


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="Memcached"):
        accelerator.Memcached  # noqa: B018 - that is the point
