"""A near store in front of one that machines share."""

from accelerator.stores.tiered.report import NearFigures
from accelerator.stores.tiered.store import TieredStore

__all__ = ["NearFigures", "TieredStore"]
