"""What docs/operate.md shows is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from accelerator import ASGIAccelerator
from tests.support import app_saying, ask, drive

PAGE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()


def test_the_function_of_the_page_says_how_many_requests_were_hits() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"app": ASGIAccelerator(app_saying(("cache-control", "max-age=60")))}
    exec(block, names)  # noqa: S102 - the page's own
    for _ in range(4):
        drive(ask(names["app"]))
    assert drive(names["how_it_does"]()) == "3 of 4 requests were hits; that saved 0 s of the application"
