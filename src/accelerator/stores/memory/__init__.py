"""The store in the memory of one process."""

from accelerator.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
