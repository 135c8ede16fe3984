"""The store that several processes share on a Redis server."""

from accelerator.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
