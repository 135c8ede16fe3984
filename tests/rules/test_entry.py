from __future__ import annotations

from typing import Any

import pytest

from accelerator.rules.entry import VALIDATION_GRACE
from tests.samples import NOW, Line, entry, request


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 60),
        ({"initial_age": 10.0}, 50),
        ({"stale_while_revalidate": 5.0}, 65),
        ({"stale_if_error": 7.0}, 67),
        ({"stale_while_revalidate": 5.0, "stale_if_error": 7.0}, 67),
        ({"validator": b'"a"'}, 60 + VALIDATION_GRACE),
        ({"last_modified": b"x"}, 60 + VALIDATION_GRACE),
        ({"validator": b'"a"', "stale_if_error": 9000.0}, 9060),
        ({"validator": b'"a"', "lifetime": 9000.0}, 18000),
    ],
)
def test_an_entry_is_of_use_as_long_as_it_may_be_served_or_validated(fields: dict[str, Any], seconds: float) -> None:
    assert entry(**fields).useful_until == NOW + seconds


COOKIE, CREDENTIALS = ("cookie", "a=1"), ("authorization", "Basic x")


@pytest.mark.parametrize(
    ("lines", "for_cookies", "for_credentials", "unfit_by"),
    [
        ([], False, False, ""),
        ([COOKIE], False, True, "cookies"),
        ([COOKIE], True, False, ""),
        ([CREDENTIALS], True, False, "credentials"),
        ([CREDENTIALS], False, True, ""),
        ([COOKIE, CREDENTIALS], True, False, "credentials"),
        ([COOKIE, CREDENTIALS], False, True, "cookies"),
        ([COOKIE, CREDENTIALS], False, False, "credentials"),
        ([COOKIE, CREDENTIALS], True, True, ""),
    ],
)
def test_an_entry_is_open_to_those_whose_credentials_it_allows(
    lines: list[Line], for_cookies: bool, for_credentials: bool, unfit_by: str
) -> None:
    made = entry(for_cookies=for_cookies, for_credentials=for_credentials)
    assert made.unfit_by(request(*lines)) == unfit_by
    assert made.may_answer(request(*lines)) is (unfit_by == "")


@pytest.mark.parametrize(
    ("for_codings", "accepted", "is_open"),
    [
        (False, None, True),
        (False, "identity", True),
        (False, "gzip", False),
        (True, "gzip", True),
    ],
)
def test_what_was_made_for_no_coding_is_not_for_those_who_take_one(
    for_codings: bool, accepted: str | None, is_open: bool
) -> None:
    lines: list[Line] = [] if accepted is None else [("accept-encoding", accepted)]
    made = entry(for_codings=for_codings)
    assert made.may_answer(request(*lines)) is is_open
    assert made.unfit_by(request(*lines)) == ("" if is_open else "codings")
