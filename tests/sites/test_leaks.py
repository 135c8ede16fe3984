"""What belongs to one visitor, given to another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benchmarks.sites import leaks
from benchmarks.sites.differences import Changing
from benchmarks.sites.leaks import Secrets
from tests.sites.support import CASE, reply

if TYPE_CHECKING:
    import pytest


def test_a_cookie_belongs_to_whom_it_was_given_first() -> None:
    secrets = Secrets()
    answer = reply(b"", ("set-cookie", "lang=en; Path=/"), ("set-cookie", "session=0123456789abcdef; Path=/"))
    assert secrets.given(CASE, "ann", answer) == secrets.given(CASE, "ann", answer) == []
    assert secrets.given(CASE, "bob", answer) == ["bob was given what belongs to ann: b'0123456789abcdef'"]


def test_so_does_what_a_page_holds_for_its_visitor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    token, time = (Changing(pattern=re.compile(rb"%s=(\w+)" % name), reason="") for name in (b"token", b"time"))
    monkeypatch.setattr(leaks, "CHANGING", (Changing(pattern=token.pattern, reason="", is_secret=True), time))
    secrets = Secrets()
    secrets.given(CASE, "ann", reply(b"token=a time=now"))
    assert secrets.given(CASE, "bob", reply(b"token=b time=now")) == []
    assert secrets.given(CASE, "nobody", reply(b"token=a")) == ["nobody was given what belongs to ann: b'a'"]
