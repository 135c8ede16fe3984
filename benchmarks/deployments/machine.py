"""The machine that measures."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil


def processors() -> str:
    """Return the number and the kind of its processors."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    kind = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{psutil.cpu_count()} of {kind}"
