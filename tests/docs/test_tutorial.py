"""docs/tutorial-fastapi.md: who follows it step by step sees what it shows."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import wait_all_tasks_blocked

from tests.docs.support import BLOCK, blocks_of, run
from tests.wsgi.servers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SECOND = "    await asyncio.sleep(1)\n"
PAGE = (ROOT / "docs" / "tutorial-fastapi.md").read_text()
STEPS = re.findall(r"^## (\d)\. .*?\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
TEST, WORKERS = blocks_of("tutorial-fastapi.md")[-2:]
SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.anyio


def edited(source: str, block: str) -> str:
    """The source after a reader has taken over a block: what has a name takes the place of what had it."""
    old, new = ast.parse(source), ast.parse(block)
    named = {node.name: node for node in new.body if isinstance(node, ast.AsyncFunctionDef)}
    kept = [named.pop(node.name) if getattr(node, "name", "") in named else node for node in old.body]  # type: ignore[attr-defined]
    added = [node for node in new.body if getattr(node, "name", "") in {"", *named}]
    imports = [node for node in added if isinstance(node, ast.Import | ast.ImportFrom)]
    body = [*imports, *kept, *(node for node in added if node not in imports)]
    return ast.unparse(ast.Module(body, []))


def program(step: int) -> dict[str, Any]:
    """What `main.py` defines after a step."""
    source = ""
    for _, text in STEPS[:step]:
        for block in BLOCK.findall(text):
            source = edited(source, block)
    notes: dict[str, Any] = {}
    run(source.replace(SECOND.strip(), "pass"), notes)
    return notes


async def answers(app: Any, session: str) -> list[tuple[str, str]]:
    """What a session shows for each command, and what it would be."""
    shown = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for command, expected in re.findall(r"^\$ curl (.*)\n((?!\$).*)\n", session, re.MULTILINE):
            words = shlex.split(command.partition(" | ")[0])
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            content = json.loads(words[words.index("--json") + 1]) if "--json" in words else None
            response = await client.request(method, words[-1], json=content)
            await wait_all_tasks_blocked()  # a refresh has ended when the reader has typed the next command
            field = f"cache-status: {response.headers.get('cache-status')}"
            shown.append((expected, field if "| grep" in command else response.text))
    return shown


def without_times(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(re.sub(r"ttl=\d+", "ttl", one), re.sub(r"ttl=\d+", "ttl", other)) for one, other in lines]


def test_the_database_takes_its_time() -> None:
    assert SECOND in blocks_of("tutorial-fastapi.md")[0]


@pytest.mark.parametrize("step", range(1, 7))
async def test_each_step_shows_what_the_page_says(step: int) -> None:
    app = program(step)["app"]
    shown = [pair for session in SESSION.findall(STEPS[step - 1][1]) for pair in await answers(app, session)]
    assert shown
    for expected, seen in without_times(shown):
        assert seen == expected


def test_the_test_of_the_page_passes_and_fails_without_the_invalidation(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_test(**changes: Any) -> None:
        main = ModuleType("main")
        main.__dict__.update(program(5))
        main.__dict__["store"].__dict__.update(changes)
        monkeypatch.setitem(sys.modules, "main", main)
        notes: dict[str, Any] = {}
        run(TEST, notes)
        notes["test_a_new_title_is_on_the_list_at_once"]()

    async def do_nothing(*tags: str) -> None: ...

    run_test()
    with pytest.raises(AssertionError):
        run_test(invalidate_tag=do_nothing)


def test_the_store_of_several_workers_is_made(tmp_path: Path) -> None:
    notes: dict[str, Any] = {}
    run(WORKERS.replace("/dev/shm", str(tmp_path)), notes)  # noqa: S108 - it is replaced
    assert repr(notes["store"]) == f"<LMDBStore: {tmp_path}/books>"
