"""Numbers in words."""

from __future__ import annotations

import pytest

from accelerator.commands.units import duration, rate, share, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.00001, "0.01 ms"),
        (0.0125, "12.5 ms"),
        (0.9999, "1000 ms"),
        (1, "1 s"),
        (59.6, "59.6 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (2 * 3600 + 13 * 60 + 59, "2 h 13 min"),
        (86400 * 1234 + 3600, "1,234 d 1 h"),
        (-5, "-5e+03 ms"),
    ],
)
def test_a_time_is_said_by_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536.5, "1.5 KiB"), (2**30, "1.0 GiB"), (2**63, "8,192.0 PiB")],
)
def test_bytes_are_said_by_powers_of_1024(number: float, words: str) -> None:
    assert size(number) == words


def test_a_rate_has_a_tenth_below_a_thousand_and_is_nothing_in_no_time() -> None:
    assert (rate(25, 10), rate(12_345, 10), rate(5, 0)) == ("2.5", "1,234", "0.0")


def test_a_share_of_nothing_is_not_known() -> None:
    assert (share(1, 3), share(0, 3), share(0, 0)) == ("33.3 %", "0.0 %", "-")
