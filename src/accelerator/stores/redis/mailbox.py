"""What other processes tell this one: that they have applied its invalidations, and that they have ended a lease.

Both come by one channel, which nobody listens to before there is something to wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

from accelerator.stores.redis.ends import Ends
from accelerator.stores.redis.fleet import Acknowledgement, Acknowledgements
from accelerator.stores.redis.link import random_incarnation
from accelerator.stores.redis.subscription import Subscription

if TYPE_CHECKING:
    from accelerator.stores.redis.keys import Keys
    from accelerator.stores.redis.links import Links


class Mailbox:
    """The channel of a store in this process. Children of a fork share its name, and each hears what is for any.

    Args:
        keys: the keys of the store.
        links: its connections.

    Attributes:
        origin: the name by which others tell this process.
        acknowledgements: those of invalidations.
        ends: those of leases.
        subscription: begins and ends to listen.
    """

    def __init__(self, keys: Keys, links: Links) -> None:
        self.origin = random_incarnation().encode()
        self.acknowledgements = Acknowledgements()
        self.ends = Ends()
        self.subscription = Subscription(links, b"%s:%s" % (keys.near, self.origin), self._take)

    def _take(self, payload: bytes) -> None:
        parts = msgpack.unpackb(payload, raw=True)
        if len(parts) == 1:
            self.ends.take(*parts)
        else:
            self.acknowledgements.take(Acknowledgement(*parts))
