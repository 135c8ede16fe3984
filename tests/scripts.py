"""A script in a process of its own, which has to succeed and to be silent on stderr."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["run_script"]

# on a busy machine any step may take the tenth of a second that asyncio, when it debugs, finds worth a line
_IS_SLOW = re.compile(r"Executing <.*> took \d")
_ROOT = Path(__file__).parents[1]


def run_script(script: str, **environment: str) -> str:
    """Run a script with all that Python checks in development and warnings as errors; return what it prints."""
    done = subprocess.run(  # noqa: S603 - a test's own script
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=_ROOT,
        env={**os.environ, **environment},
    )
    errors = [line for line in done.stderr.splitlines() if not _IS_SLOW.match(line)]
    assert (done.returncode, errors) == (0, [])
    return done.stdout
