"""docs/consistency.md: its program prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.docs.support import blocks_of
from tests.wsgi.servers import ROOT

PRINTED = re.compile(r"^It prints:\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_what_is_made_while_its_data_changes_is_not_there_for_the_next_one_who_asks() -> None:
    (program,) = blocks_of("consistency.md")
    done = subprocess.run(  # noqa: S603 - our own page
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert [done.stdout] == PRINTED.findall((ROOT / "docs" / "consistency.md").read_text())
