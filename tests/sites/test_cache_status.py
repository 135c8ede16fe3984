"""What the cache says it did."""

from __future__ import annotations

import pytest

from benchmarks.sites.cache_status import CacheStatus, cache_status
from tests.sites.support import reply


@pytest.mark.parametrize(
    ("said", "is_hit", "is_stored", "why_not"),
    [
        ("accelerator; hit; ttl=59", True, True, ""),
        ("accelerator; fwd=uri-miss; stored; ttl=60", False, True, "uri-miss"),
        ('accelerator; fwd=uri-miss; detail="Set-Cookie"', False, False, "Set-Cookie"),
        ("origin; hit, accelerator; fwd=uri-miss", False, False, "uri-miss"),
    ],
)
def test_the_last_cache_counts(said: str, is_hit: bool, is_stored: bool, why_not: str) -> None:
    assert cache_status(reply(b"", ("cache-status", said))) == CacheStatus(is_hit, is_stored, why_not)


def test_an_answer_without_a_word_of_the_cache_did_not_come_through_it() -> None:
    with pytest.raises(ValueError, match="did not come through the cache"):
        cache_status(reply(b""))
