"""docs/cli.md names what the commands take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from accelerator.__main__ import main
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    import click

PAGE = (ROOT / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def written(parameter: click.Parameter) -> str:
    """How a parameter is written on a command line."""
    return parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.metavar)


def test_what_is_said_to_be_above_or_below_is_there() -> None:
    found = [*re.finditer(r"\[see (above|below)\]\(#([\w-]+)\)", PAGE)]
    assert {link[1] for link in found} == {"above", "below"}
    places = {
        heading[1].lower().replace(" ", "-"): heading.start() for heading in re.finditer(r"^#+ (.+)$", PAGE, re.M)
    }
    for link in found:
        assert (link[1] == "above") is (places[link[2]] < link.start()), PAGE[: link.start()].count("\n") + 1


def test_every_command_has_its_section() -> None:
    assert set(SECTIONS) == set(main.commands)


@pytest.mark.parametrize("name", main.commands)
def test_every_option_of_a_command_stands_in_its_table(name: str) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", SECTIONS[name], re.MULTILINE)
    assert set(rows) == {written(parameter) for parameter in main.commands[name].params}


@pytest.mark.parametrize("name", main.commands)
def test_the_defaults_are_those_of_the_commands(name: str) -> None:
    rows = dict(re.findall(r"^\| `(--[a-z-]+)` \| `([^`]+)` \|", SECTIONS[name], re.MULTILINE))
    defaults = {option.opts[0]: str(option.default).removesuffix(".0") for option in main.commands[name].params}
    defaults["--workers"] = "1"  # but for --redis
    assert rows == {option: defaults[option] for option in rows}
