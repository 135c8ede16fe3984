"""The public names, and what an extra that is missing says."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

import pytest

import accelerator
from accelerator import stores, testing

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("package", [accelerator, stores, testing], ids=lambda package: package.__name__)
def test_every_public_name_is_there(package: ModuleType) -> None:
    assert all(hasattr(package, name) for name in package.__all__)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("LMDBStore", "lmdb", "lmdb"), ("RedisStore", "redis", "redis"), ("TieredStore", "tiered", "redis")],
)
def test_a_missing_extra_says_how_to_install_it(
    name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"accelerator.stores.{package}", None)
    with pytest.raises(ImportError, match=rf"{name} needs an extra: .*asgi-accelerator\[{extra}\]"):
        getattr(accelerator, name)


def test_a_star_takes_what_is_there_without_the_extra_and_naming_what_is_not_says_how_to_get_it() -> None:
    script = """
import sys

sys.modules.update(dict.fromkeys(["hiredis", "lmdb", "msgpack", "redis"]))  # no import of these succeeds
from accelerator import *

assert ASGIAccelerator and cache_for and not {"LMDBStore", "RedisStore"} & {*globals()}
try:
    from accelerator import RedisStore
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (done.stdout, done.stderr) == ('RedisStore needs an extra: pip install "asgi-accelerator[redis]"\n', "")


@pytest.mark.parametrize(
    ("missing", "stores_without"),
    [
        ("hiredis", {"RedisStore", "TieredStore"}),
        ("lmdb", {"LMDBStore"}),
        ("msgpack", {"LMDBStore", "RedisStore", "TieredStore"}),
        ("redis", {"RedisStore", "TieredStore"}),
    ],
)
def test_a_star_does_not_ask_for_what_lacks_a_part_of_its_extra(
    missing: str, stores_without: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    spec = spec_from_file_location("accelerator", accelerator.__file__)
    assert spec is not None
    assert spec.loader is not None
    again = module_from_spec(spec)
    spec.loader.exec_module(again)
    assert set(accelerator.__all__) - set(again.__all__) == stores_without


def test_a_star_takes_everything_with_the_extra() -> None:
    taken: dict[str, object] = {}
    exec("from accelerator import *", taken)  # noqa: S102 - it has no other form in a function
    assert taken.keys() >= set(accelerator.__all__) >= {"LMDBStore", "MemoryStore", "RedisStore"}


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="Memcached"):
        accelerator.Memcached  # noqa: B018 - that is the point
