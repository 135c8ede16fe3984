"""An environment for each site, made by uv: its software from PyPI, this project, and the site's data as it begins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.sites.servers import ROOT

if TYPE_CHECKING:
    from benchmarks.sites.site import Site

SERVERS: Final = {
    "uvicorn": ("uvicorn>=0.32", "httptools>=0.6", "websockets>=14"),
    "gunicorn": ("gunicorn>=25.1",),
    "waitress": ("waitress>=3.0",),
}

SECONDS: Final = 300
"""In which an environment has to be made."""

_PREPARE: Final = (
    "import sys; from importlib import import_module; from pathlib import Path;"
    "import_module(f'benchmarks.sites.applications.{sys.argv[1]}').prepare(Path(sys.argv[2]))"
)


class Environment:
    """A site's environment in a folder; it is made anew when the site's requirements or its application changed."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._folder = folder / site.name
        self.python = self._folder / "venv" / "bin" / "python"
        self.home = self._folder / "home"

    def make(self) -> None:
        """Make it, unless it is there."""
        stamp = self._folder / "made-of"
        made_of = "\n".join([sys.version, *self._packages, _source(self._site)])
        if stamp.exists() and stamp.read_text() == made_of:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self.home.mkdir(parents=True)
        _run([sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(self.python.parents[1])])
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(self.python)]
        _run([*install, "--editable", f"{ROOT}[redis]", *self._packages])
        _run([str(self.python), "-c", _PREPARE, self._site.name, str(self.home)])
        stamp.write_text(made_of)

    def copy_home(self, to: Path) -> Path:
        """Copy the site's data, with the times of its files, which validators are made of."""
        return Path(shutil.copytree(self.home, to, symlinks=True))

    @property
    def _packages(self) -> list[str]:
        return [*self._site.requires, *SERVERS[self._site.server]]


def _source(site: Site) -> str:
    return (Path(__file__).with_name("applications") / f"{site.name}.py").read_text()


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - the commands are those above
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stdout[-2000:]}{done.stderr[-4000:]}")
