"""What keeps the source readable is held by tests: see "What a change looks like" in CONTRIBUTING.md."""

from __future__ import annotations

from tests.source.reading import Module, modules, parameters

MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 40
MAX_PARAMETERS = 6

MANY_PARAMETERS = {"views.cached": "each is one more thing that a view may say, and is named where it is given"}

WRITTEN_FROM_OUTSIDE = {
    ("demo.database", "row_factory"): "of sqlite3",
    ("demo.site", "activity"): "Starlette's place for what an application shares",
    ("demo.site", "database"): "Starlette's place for what an application shares",
    ("demo.site", "slowness"): "Starlette's place for what an application shares",
    ("gateway.__init__", "method"): "httpx writes it in upper case, and a method has a case",
    ("servers.hits", "total_requests"): "of uvicorn's server, which ends by it",
    ("stores.memory.store", "used"): "a call in place of it would cost a tenth of a hit",
    ("stores.redis.address", "args"): "of an exception, whose text has a password",
    ("stores.redis.address", "strerror"): "of an exception, whose text has a password",
    ("views", "__signature__"): "of functions: frameworks read it",
}

MODULES = modules()


def test_a_module_has_at_most_350_lines_of_code() -> None:
    lines = {module.name: len(module.code_lines) for module in MODULES}
    assert {name: count for name, count in lines.items() if count > MAX_MODULE_LINES} == {}


def test_a_function_has_at_most_40_lines_of_code() -> None:
    lines = {f"{module.name}.{made.name}": module.lines_of(made) for module in MODULES for made in module.functions}
    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES} == {}


def test_a_function_takes_at_most_six_parameters() -> None:
    many = {
        f"{module.name}.{made.name}"
        for module in MODULES
        for made in module.functions
        if len(parameters(made)) > MAX_PARAMETERS
    }
    assert many == MANY_PARAMETERS.keys()


def test_an_attribute_is_written_only_by_the_module_of_its_class() -> None:
    written = {(module.name, name) for module in MODULES for name in module.foreign_writes()}
    assert written == WRITTEN_FROM_OUTSIDE.keys()


SAMPLE = Module(
    "sample",
    '''"""Two lines
of text."""

import x  # a comment


class Own:
    """One."""

    a: int

    def __init__(self, one, *, two):
        """Say nothing."""
        self.b = (
            one
        )

        other.a = other.b = two
        other.c = 1
''',
)


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings() -> None:
    assert sorted(SAMPLE.code_lines) == [4, 7, 10, 12, 14, 15, 16, 18, 19]


def test_a_function_has_its_own_lines_and_parameters() -> None:
    (function,) = SAMPLE.functions
    assert (SAMPLE.lines_of(function), parameters(function)) == (6, ["one", "two"])


def test_an_attribute_that_no_class_of_the_module_has_is_another_modules() -> None:
    assert SAMPLE.foreign_writes() == {"c"}
