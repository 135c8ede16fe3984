"""The store of one process."""

from accelerator.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
