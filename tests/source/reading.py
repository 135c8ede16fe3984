"""The modules of the package, and what their text says of itself."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import accelerator

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(accelerator.__file__).parent

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A module: its name below the package, and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def code_lines(self) -> set[int]:
        """The numbers of the lines that have code: neither blank, nor comment, nor docstring."""
        told = {
            line
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            for line in range(node.lineno, (node.end_lineno or 0) + 1)
        }
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        coded = {
            line for token in tokens if token.type not in _LAYOUT for line in range(token.start[0], token.end[0] + 1)
        }
        return coded - told

    @property
    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def lines_of(self, function: Function) -> int:
        """How many lines of code a function has."""
        return len(self.code_lines.intersection(range(function.lineno, (function.end_lineno or 0) + 1)))

    @cached_property
    def own_attributes(self) -> set[str]:
        """The attributes of the classes that stand in this module."""
        own: set[str] = set()
        for made in (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)):
            for node in ast.walk(made):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node):
                    own.add(node.attr)
                elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    own.add(node.target.id)
        return own

    def foreign_writes(self) -> set[str]:
        """The attributes that are written here, and belong to a class of another module."""
        return {
            node.attr
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not _is_own(node)
        } - self.own_attributes


def _is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters, without the object that it is called on."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [name for name in names if name not in {"self", "cls"}]


def modules() -> list[Module]:
    return [
        Module(".".join(path.relative_to(ROOT).with_suffix("").parts), path.read_text())
        for path in sorted(ROOT.rglob("*.py"))
    ]
