"""What stores have in common that put all invalidations into one order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerator.testing import StoreContract, make_entry, make_request

if TYPE_CHECKING:
    from accelerator import Store


class OneOrderContract(StoreContract):
    """The contract, and one rule more: of two fills that overlap, any invalidation between tells which began later."""

    async def test_a_fill_that_began_before_any_invalidation_is_the_earlier_one(self, store: Store) -> None:
        request = make_request()
        early = (await store.lookup(request)).mark
        await store.invalidate_tag("other")
        late = make_entry(request, (await store.lookup(request)).mark, ["x"], body=b"late")
        assert await store.commit(late) is True
        assert await store.commit(make_entry(request, early, ["x"], body=b"early")) is False
        found = await store.lookup(request)
        assert found.entry is not None
        assert found.entry.body == b"late"
