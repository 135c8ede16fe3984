"""What is said of the sites."""

from __future__ import annotations

from collections import Counter

from benchmarks.sites import differences as declared
from benchmarks.sites.report import lines, page
from benchmarks.sites.run import WAYS
from benchmarks.sites.site import Site
from benchmarks.sites.visit import Outcome

SITE = Site(
    name="plants", about="plants", requires=("plants==1.0",), server="uvicorn", options={"default_ttl": 60}, visitors={}
)


def test_faults_with_the_same_words_are_named_three_times() -> None:
    faults = [f"ann: GET /{number} (plain): etag: '{number}' is gone [accelerator; hit]" for number in range(5)]
    said = list(lines(Outcome("plants", "gateway", "redis", 9, 4, 3, faults=[*faults, "bob: GET / (head): status 1"])))
    assert said[0] == "plants, gateway, redis: 9 answers compared, 3 of 4 kept"
    assert said[1:] == [
        *(f"    {fault}" for fault in faults[:3]),
        "    … and 2 more like these",
        "    bob: GET / (head): status 1",
    ]


def test_the_page_has_a_row_for_each_door_and_every_declared_difference_with_its_reason() -> None:
    outcomes = [Outcome("plants", door, store, 10, 4, 3, Counter(private=1)) for door, store in WAYS]
    text = page([SITE], outcomes)
    for door in ("middleware", "gateway"):
        assert f"| plants | plants==1.0 | {door} | 20 | 3 of 4 | 3 of 4 |\n" in text
    assert "* plants: 1 `private`\n" in text
    assert "| plants | plants | uvicorn | `default_ttl=60` |" in text
    assert all(each.reason in text for each in (*declared.DECLARED, *declared.LEFT_OUT))
