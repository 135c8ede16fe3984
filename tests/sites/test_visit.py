"""Who asks for what, and what is found where a cache is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.sites.compare import Comparison
from benchmarks.sites.differences import Case
from benchmarks.sites.site import NEWCOMER, NOBODY, Site, Visitor
from benchmarks.sites.visit import Bare, Outcome, Visit
from tests.sites.support import HIT, MISS, reply

if TYPE_CHECKING:
    from benchmarks.sites.wire import Ask, Reply

SITE = Site(
    name="a site",
    about="",
    requires=(),
    server="uvicorn",
    options={},
    visitors={"ann": Visitor(), "bob": Visitor(), NEWCOMER: Visitor()},
    never_hit=("/mine*",),
    must_keep=True,
)
TAG = ("etag", '"v1"')


class Greeting:
    """A site that greets each visitor by name, if the URL says so, behind a cache that knows no visitors."""

    def __init__(self, door: str, *, keeps: bool) -> None:
        self.door, self.keeps = door, keeps
        self.asked: list[tuple[str, Ask]] = []
        self.kept: dict[str, Reply] = {}

    def ask(self, visitor: str, ask: Ask) -> Reply:
        self.asked.append((visitor, ask))
        name = visitor if "mine" in ask.target else "all"
        made = reply(f"hello {name}".encode(), TAG) if ask.kind in {"plain", "gzip", "range"} else reply(b"", TAG)
        if self.door == "bare":
            return made
        kept = self.kept.get(ask.target) if self.keeps and ask.kind == "plain" else None
        answer, said = (made, MISS) if kept is None else (kept, HIT)
        if ask.kind == "plain":
            self.kept[ask.target] = answer
        return answer._replace(lines=(*answer.lines, said))

    def case(self, ask: Ask) -> Case:
        return Case(SITE.name, self.door, ask.kind)


def visited(target: str, *, keeps: bool) -> tuple[Outcome, Greeting, Greeting]:
    bare, behind = Greeting("bare", keeps=False), Greeting("middleware", keeps=keeps)
    outcome = Outcome(SITE.name, "middleware", "memory")
    Visit(SITE, Bare(bare, SITE), behind, Comparison(), outcome).target(target, of_nobody=True)  # type: ignore[arg-type]  # no servers
    return outcome, bare, behind


def test_all_ask_twice_but_for_the_newcomer_who_comes_when_all_have_been_there() -> None:
    _, bare, behind = visited("/", keeps=True)
    plain = [visitor for visitor, ask in behind.asked if ask.kind == "plain"]
    assert sorted(plain[:3]) == ["ann", "bob", NOBODY]
    assert plain[3:] == [NEWCOMER, *plain[:3]]
    assert {ask.kind for _, ask in behind.asked} == {"plain", "gzip", "head", "range", "etag"}
    assert len(bare.asked) == len(set(bare.asked))  # the site itself is asked once for each


def test_before_anything_is_stored_nobody_asks_for_head_and_part() -> None:
    _, _, behind = visited("/", keeps=True)
    assert [(visitor, ask.kind) for visitor, ask in behind.asked[:2]] == [(NOBODY, "head"), (NOBODY, "range")]


def test_a_page_for_all_counts_as_kept() -> None:
    outcome, *_ = visited("/", keeps=True)
    assert (outcome.pages, outcome.kept, outcome.faults) == (1, 1, [])
    assert outcome.compared == 2 + 3 * 2 + 4 * 5


def test_a_page_for_all_that_is_not_kept_is_a_fault_with_its_reason() -> None:
    outcome, *_ = visited("/", keeps=False)
    assert (outcome.pages, outcome.kept, outcome.reasons) == (1, 0, {"private": 1})
    assert outcome.faults == ["newcomer: GET / (plain): not kept: private"]


@pytest.mark.parametrize("words", ["content differs", "it came from the store"])
def test_a_page_of_ones_own_that_goes_to_another_is_a_fault(words: str) -> None:
    outcome, *_ = visited("/mine", keeps=True)
    assert [fault for fault in outcome.faults if words in fault]


def test_a_page_of_ones_own_need_not_be_kept() -> None:
    outcome, *_ = visited("/mine", keeps=False)
    assert outcome.faults == []
