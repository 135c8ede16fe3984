from __future__ import annotations

import pytest

from accelerator.options import Options
from accelerator.rules import (
    response_tags,
)
from accelerator.rules.candidate import Candidate
from accelerator.tags import InvalidTagError
from tests.rules.support import NOTHING_SAID
from tests.samples import Line, entry, request, response

# --- tags of a response -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "tags"),
    [
        ([], []),
        ([("Cache-Tag", "a b, c ,,d")], ["a b", "c", "d"]),
        ([("Surrogate-Key", "a b,c \t d")], ["a", "b", "c", "d"]),
        ([("xkey", "a"), ("XKEY", "b")], ["a", "b"]),
        ([("cache-tag", "a"), ("xkey", "b")], ["a", "b"]),
        ([("cache-tag", "")], []),
        ([("cache-tag", "é".encode())], ["é"]),
        ([("cache-tag", b"\xe9")], ["\udce9"]),
        ([("x-other", "a")], []),
    ],
)
def test_tags_are_named_in_the_tag_headers(lines: list[Line], tags: list[str]) -> None:
    assert response_tags.header_tags(response(*lines), Options()) == tags


def test_tag_headers_of_the_option_are_read_whatever_their_case() -> None:
    lines: list[Line] = [("cache-tag", "a b"), ("edge-tag", "c d")]
    assert response_tags.header_tags(response(*lines), Options(tag_headers=("Edge-Tag",))) == ["c", "d"]
    assert response_tags.header_tags(response(*lines), Options(tag_headers=("Cache-Tag",))) == ["a b"]


def test_the_tags_of_the_application_are_those_without_the_librarys_own() -> None:
    assert response_tags.application_tags(entry(tags=frozenset({"a", "b@c", "@all", "@url:x"}))) == {"a", "b@c"}


def tags_of(*lines: Line) -> frozenset[str]:
    return response_tags.response_tags(Candidate(request(), response(*lines), NOTHING_SAID, Options()))


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_is_a_tag_by_its_name_and_bound_to_its_host() -> None:
    assert tags_of(("cache-groups", '"a", "@b"')) == {"a", "@group:example.org/a", "@group:example.org/@b"}


def test_a_response_may_be_in_128_groups() -> None:
    names = [f"g{number}" for number in range(128)]
    tags = tags_of(("cache-groups", ", ".join(f'"{name}"' for name in names)))
    assert tags == {*names, *(f"@group:example.org/{name}" for name in names)}


@pytest.mark.parametrize("value", ['"a', "a", '"a", 1', ",".join(['"a"'] * 129)])
def test_groups_that_cannot_be_read_or_are_too_many_keep_a_response_out_of_the_store(value: str) -> None:
    with pytest.raises(InvalidTagError, match="Cache-Groups is a list of at most 128 strings"):
        tags_of(("cache-groups", value))


def test_older_tags_are_kept() -> None:
    older = frozenset({"x", "@all", "@group:example.org/a"})
    candidate = Candidate(request(), response(), NOTHING_SAID, Options())
    assert response_tags.response_tags(candidate, older) == older
