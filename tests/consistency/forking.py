"""Runs pytest again and again, each time in a fork of a process that has imported all but the package and its tests.

To start Python, pytest and Hypothesis anew would take longer than most of the runs. As a script it reads from its input
a line of JSON for each run: a directory to import from first, a file for what is written, and pytest's arguments. It
answers with the exit status.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PLAIN = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider"]


class Done(NamedTuple):
    """How a run ended, and what it wrote."""

    status: int
    output: str


class ForkingServer:
    """The process that forks, and this end of its pipes."""

    def __init__(self, imports: str, **environment: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-m", "tests.consistency.forking", imports],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, directory: Path, *arguments: str) -> Done:
        """Run pytest on what is imported from a directory."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        output = directory / "output"
        self._process.stdin.write(json.dumps([str(directory), str(output), [*PLAIN, *arguments]]) + "\n")
        self._process.stdin.flush()
        return Done(int(self._process.stdout.readline()), output.read_text())

    def close(self) -> None:
        """End it; it ends by itself where this process does."""
        self._process.communicate()


def forget(*packages: str) -> None:
    """Let the next import of these packages be their first."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


def run_here(directory: str, output: str, arguments: list[str]) -> int:
    """Run pytest in this process, with the output in a file."""
    with Path(output).open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.path.insert(0, directory)
    return int(pytest.main(arguments))


def in_a_fork(directory: str, output: str, arguments: list[str]) -> int:
    """Do it in a child of this process."""
    child = os.fork()
    if child == 0:
        status = 1  # as of any Python that ends with an exception
        try:
            status = run_here(directory, output, arguments)
        except Exception:  # noqa: BLE001 - the process ends with it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(imports: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    run_here(".", os.devnull, [*PLAIN, "--collect-only", imports])
    forget("accelerator", "conftest", "tests")
    for line in sys.stdin:
        answers.write(f"{in_a_fork(*json.loads(line))}\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
