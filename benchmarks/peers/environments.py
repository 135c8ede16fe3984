"""An environment for each peer, made by uv and kept until its requirements change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.peers.catalogue import REQUIREMENTS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

SECONDS: Final = 300
"""In which an environment has to be made."""


def python_of(name: str, folder: Path) -> Path:
    """Return the Python of an environment, which is made unless it is there.

    Raises:
        RuntimeError: it cannot be made; what uv said.
    """
    requirements = REQUIREMENTS[name]
    home = folder.resolve() / name
    stamp, made_of = home / "made-of", "\n".join([sys.version, str(ROOT), *requirements])
    python = home / "bin" / "python"
    if stamp.exists() and stamp.read_text() == made_of:
        return python
    shutil.rmtree(home, ignore_errors=True)
    _run("venv", "--quiet", "--python", sys.executable, str(home))
    _run("pip", "install", "--quiet", "--python", str(python), *requirements)
    stamp.write_text(made_of)
    return python


def _run(*words: str) -> None:
    command = [sys.executable, "-m", "uv", *words]
    done = subprocess.run(  # noqa: S603 - the commands are those above
        command, cwd=ROOT, timeout=SECONDS, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}")
