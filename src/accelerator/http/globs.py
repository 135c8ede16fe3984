"""Match names against globs such as `utm_*`."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def matching(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a name matches one of the globs, in the same case."""
    pattern = re.compile("|".join(map(translate, globs)) or r"(?!)")
    return lambda name: pattern.match(name) is not None
