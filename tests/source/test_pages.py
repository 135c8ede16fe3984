"""What the pages say of the source is so."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

from tests.source.reading import ROOT, modules

DOCS = Path(__file__).parents[2] / "docs"
ARCHITECTURE = (DOCS / "architecture.md").read_text()
MUTANTS = re.findall(r"^\| `([\w.]+)` \| (.+?) \|", (DOCS / "mutants.md").read_text(), re.MULTILINE)


def test_the_map_has_each_room_and_no_other() -> None:
    table = ARCHITECTURE.partition("| room | subject |")[2].partition("\n\n")[0]
    named = {name for row in re.findall(r"^\| (.+?) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}
    rooms = {f"{path.name}/" for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert named == rooms | {path.name for path in ROOT.glob("[!_]*.py")} | {"__main__.py"}


def test_the_table_of_the_engine_has_each_module_and_no_other() -> None:
    table = ARCHITECTURE.partition("| module | subject |")[2].partition("\n\n")[0]
    named = {name for row in re.findall(r"^\| (.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == {path.stem for path in (ROOT / "engine").glob("[!_]*.py")}


def test_each_function_whose_mutants_live_is_there() -> None:
    functions = {module.name: {made.name for made in module.functions} for module in modules()}
    for module, names in MUTANTS[1:]:
        named = {name.rpartition(".")[2] for name in re.findall(r"`([\w.]+)`", names)}
        assert named <= functions[module], module


def is_there(name: str) -> bool:
    try:
        resolve_name(name)
    except (AttributeError, ImportError):
        return False
    return True


def test_each_name_of_the_rooms_in_the_text_is_one() -> None:
    names = {
        f"accelerator.{name}"
        for name in re.findall(r"`((?:http|rules|engine|servers|stores|wsgi)(?:\.\w+)+)`", ARCHITECTURE)
    }
    assert {name for name in names if not is_there(name)} == set()
    assert {"accelerator.rules.reuse.decide", "accelerator.engine.shortcut"} <= names
