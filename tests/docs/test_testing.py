"""docs/testing.md: its shop and its tests pass as they stand there, and find what they are for."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import fastapi.testclient  # noqa: F401 - imported here, it is not imported anew in each run of pytest
import pytest

from accelerator import WSGIAccelerator
from tests.docs.support import blocks_of, is_hit, run
from tests.wsgi.support import site_saying

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

BLOCKS = {re.match(r"# (.+)\n", block)[1]: block for block in blocks_of("testing.md")}  # type: ignore[index]
STORE = """
from accelerator import MemoryStore

class CountingStore(MemoryStore):
    lookups = 0

    async def lookup(self, request):
        self.lookups += 1
        return await super().lookup(request)
"""
TESTS = ["test_changes.py", "test_time.py", "test_events.py", "test_views.py"]


@pytest.fixture
def shop(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Lays the files of the page and runs one of its tests; a change is made in what its shop says."""

    def run_tests(*arguments: str, instead: tuple[str, str] = ("", "")) -> pytest.RunResult:
        for path, block in {**BLOCKS, "shop/store.py": STORE}.items():
            file = pytester.path / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.replace(*instead) if path == "shop/main.py" else block)
        pytester.syspathinsert()
        quietly = [word for plugin in ("asyncio", "randomly", "xdist") for word in ("-p", f"no:{plugin}")]
        names = [f"tests/{word}" if word.endswith(".py") else word for word in arguments]
        return pytester.runpytest_inprocess(*quietly, *names)

    return run_tests


def test_the_tests_of_the_page_pass(shop: Callable[..., pytest.RunResult]) -> None:
    shop(*TESTS).assert_outcomes(passed=6)


@pytest.mark.parametrize("instead", [('"prices", f"price', 'f"price'), (', f"price:{name}")', ")")])
def test_they_fail_where_a_change_takes_too_little_back(
    shop: Callable[..., pytest.RunResult], instead: tuple[str, str]
) -> None:
    assert shop("test_changes.py", instead=instead).parseoutcomes()["failed"] >= 1


def test_they_fail_where_a_change_takes_too_much_back(shop: Callable[..., pytest.RunResult]) -> None:
    too_much = ('await store.invalidate_tag("prices", f"price:{name}")', "await store.clear()")
    shop("test_changes.py", instead=too_much).assert_outcomes(passed=2, failed=1)


def test_a_store_of_ones_own_is_held_to_the_contract(shop: Callable[..., pytest.RunResult]) -> None:
    outcomes = shop("test_store.py", "-k", "soft").parseoutcomes()
    assert set(outcomes) == {"passed", "deselected"}


def test_a_client_of_the_application_in_wsgi_py_meets_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    wsgi = ModuleType("yourproject.wsgi")
    wsgi.__dict__["application"] = WSGIAccelerator(site_saying(ttl=60))
    monkeypatch.setitem(sys.modules, "yourproject", ModuleType("yourproject"))
    monkeypatch.setitem(sys.modules, "yourproject.wsgi", wsgi)
    notes: dict[str, Any] = {}
    run(BLOCKS["tests/test_django.py"], notes)
    client: httpx.Client = notes["client"]()
    assert [is_hit(client.get("/")) for _ in range(2)] == [False, True]


def test_every_file_of_the_page_is_tried() -> None:
    tried = {"shop/cache.py", "shop/main.py", "tests/conftest.py", "tests/test_django.py", "tests/test_store.py"}
    assert set(BLOCKS) == tried | {f"tests/{name}" for name in TESTS}
