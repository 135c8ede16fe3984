"""What is no store is refused at once, in words that say what one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from accelerator import ASGIAccelerator, MemoryStore, SyncStore, WSGIAccelerator
from tests.support import app_saying

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("make", [ASGIAccelerator, WSGIAccelerator])
@pytest.mark.parametrize(
    "store",
    [b"redis://localhost", MemoryStore, SyncStore(MemoryStore()), object()],
    ids=["bytes", "a class", "what threads use", "anything"],
)
def test_what_is_no_store_is_a_type_error(make: Callable[..., Any], store: object) -> None:
    with pytest.raises(
        TypeError, match=r"store is a MemoryStore\(\), .* or a URL such as 'lmdb:///dev/shm/site.*', not (a|the class) "
    ):
        make(app_saying(), store=store)
