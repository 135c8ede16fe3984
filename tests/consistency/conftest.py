"""What all searches have in common."""

from __future__ import annotations

import pytest
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants


@pytest.fixture(autouse=True)
def _same_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis also draws the constants of the modules that are loaded, and tests that ran before load others."""
    monkeypatch.setattr(providers, "_get_local_constants", Constants)
    monkeypatch.setattr(providers, "CONSTANTS_CACHE", LRUCache(providers.CONSTANTS_CACHE.max_size))
