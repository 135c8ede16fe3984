"""docs/releases.md, the changelog and the workflows speak of the version and the Pythons that pyproject.toml names."""

from __future__ import annotations

import re
import tomllib

from tests.wsgi.servers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"


def test_the_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## (\S+) \((?:unreleased|\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert first is not None
    assert first[1] == PROJECT["version"]


def test_the_page_names_the_pythons_that_are_tested() -> None:
    said = f"{', '.join(PYTHONS[:-1])} and {PYTHONS[-1]} are tested"
    assert said in (ROOT / "docs" / "releases.md").read_text()


def test_the_workflow_tests_each_python() -> None:
    (matrix,) = re.findall(r"^ +python: \[(.+)\]$", WORKFLOW.read_text(), re.MULTILINE)
    assert re.findall(r"[\d.]+", matrix) == PYTHONS
