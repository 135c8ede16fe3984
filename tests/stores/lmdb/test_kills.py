"""Processes may be killed at any instruction: what they leave behind holds up nobody, and is never a stale page."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.stores.lmdb.killing import MAX_BYTES
from tests.stores.lmdb.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 150


def test_processes_that_are_killed_at_any_instruction_break_nothing(path: Path) -> None:
    command = [sys.executable, "-m", "tests.stores.lmdb.killing", str(path), str(KILLS)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert done.returncode == 0, done.stdout + done.stderr
    invalidations, size = map(int, done.stdout.split())
    assert invalidations > KILLS
    assert size <= MAX_BYTES
