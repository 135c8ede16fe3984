"""The store that all processes of one machine share, in a file that each of them maps."""

from accelerator.stores.lmdb.store import LMDBStore

__all__ = ["LMDBStore"]
