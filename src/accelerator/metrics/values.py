"""Values of labels and attributes: printable, short and few, whatever they are made of."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerator.figures.snapshot import Figures
    from accelerator.metrics.catalogue import Labels, Metric

MAX_LENGTH: Final = 128
"""Characters of a value."""

MAX_VALUES: Final = 100
"""Number of values that are told apart."""

OTHER: Final = "other"
"""What stands for all further values."""


def printable(text: str) -> str:
    """Return a text without line ends, control characters and what is no Unicode, and not longer than `MAX_LENGTH`."""
    cut = text[:MAX_LENGTH]
    return cut if cut.isprintable() else "".join([one if one.isprintable() else "?" for one in cut])


class Few:
    """Names values until there are `MAX_VALUES`. From then on, new ones are `OTHER`, so that counters never fall."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def named(self, text: str) -> str:
        """Return the name of a value."""
        name = printable(text)
        if name not in self._known:
            if len(self._known) >= MAX_VALUES:
                return OTHER
            self._known.add(name)
        return name


def labelled(metric: Metric, figures: Figures, few: Sequence[Few]) -> Counter[Labels]:
    """Return the values of a metric by safe values of its labels. What looks the same by then is added up.

    Args:
        metric: the metric.
        figures: where its values stand.
        few: what names the values of each label.
    """
    values: Counter[Labels] = Counter()
    for labels, value in metric.read(figures).items():
        values[tuple([each.named(text) for each, text in zip(few, labels, strict=True)])] += value
    return values
