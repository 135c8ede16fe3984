"""The protocol of near stores, by its model: what is right is never found fault with, and what is wrong always."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.consistency import near_model
from tests.consistency.history import RuleBrokenError
from tests.consistency.near_mutations import BREAKING, HARMLESS, MODEL, PROGRESS
from tests.consistency.near_plots import PLOTS
from tests.consistency.near_search import follow, search

if TYPE_CHECKING:
    from types import ModuleType

    from tests.consistency.mutations import Mutation


def changed_model(mutation: Mutation, directory: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a model that is changed by a mutation."""
    path = directory / MODEL
    path.write_text(Path(near_model.__file__).read_text())
    mutation.apply(directory)
    spec = importlib.util.spec_from_file_location("changed_near_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("first", range(0, 10_000, 2500))
def test_no_schedule_breaks_the_promise_and_quiet_brings_all_back(first: int) -> None:
    search(range(first, first + 2500))


@pytest.mark.parametrize("plot", PLOTS)
def test_no_plot_breaks_the_promise_and_quiet_brings_all_back(plot: str) -> None:
    follow(PLOTS[plot], until_quiet=True)


@pytest.mark.parametrize("mutation", BREAKING, ids=lambda mutation: mutation.name)
def test_what_breaks_the_promise_is_found(mutation: Mutation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = changed_model(mutation, tmp_path, monkeypatch)
    with pytest.raises(RuleBrokenError, match="answers, as fresh, after"):
        follow(PLOTS[mutation.found_by], model)


@pytest.mark.parametrize("mutation", PROGRESS, ids=lambda mutation: mutation.name)
def test_what_does_not_come_to_its_end_is_found(
    mutation: Mutation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = changed_model(mutation, tmp_path, monkeypatch)
    with pytest.raises(RuleBrokenError, match=r"does not return|is not used again|waits for a follower"):
        follow(PLOTS[mutation.found_by], model, until_quiet=True)


@pytest.mark.parametrize("mutation", HARMLESS, ids=lambda mutation: mutation.name)
def test_what_may_also_be_done_breaks_nothing(
    mutation: Mutation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(range(500), changed_model(mutation, tmp_path, monkeypatch))
