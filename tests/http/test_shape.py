"""How header lines are read, told by their names: what has a shape, and how many shapes are remembered."""

from __future__ import annotations

import pytest

from accelerator.http.request import RequestRules
from accelerator.http.shape import Shapes


@pytest.mark.parametrize(
    ("names", "places"),
    [
        ("host", (0, None, None, [])),
        ("accept host cookie", (1, 2, None, [])),
        ("host if-none-match if-modified-since accept", (0, None, 1, [])),
        ("x-forwarded-proto host forwarded", (1, None, None, [0, 2])),
    ],
)
def test_a_plain_request_has_a_shape_that_knows_the_places_of_its_lines(
    names: str, places: tuple[int, int | None, int | None, list[int]]
) -> None:
    shape = Shapes(RequestRules())[names.encode().replace(b" ", b"\n")]
    assert shape is not None
    assert (shape.host, shape.cookie, shape.if_none_match, shape.key_fields) == places
    assert shape.length == len(names.split())
    assert [name.decode() for name in shape.places] == names.split()


@pytest.mark.parametrize(
    "names",
    [
        *("", "accept", "host host", "host accept accept", "Host", "host Cookie"),
        *("host range", "host if-modified-since", "host if-range", "host if-match"),
        *("host authorization", "host x-api-key", "host x_a", "host x-unknown-to-all"),
        *("host upgrade", "host x-http-method-override", "host transfer-encoding", "host content-length"),
    ],
)
def test_a_request_that_asks_for_more_than_a_plain_hit_has_no_shape(names: str) -> None:
    shapes = Shapes(RequestRules())
    assert shapes[names.encode().replace(b" ", b"\n")] is None


def test_fields_with_credentials_have_no_shape_even_if_they_are_known_to_be_part_of_the_key() -> None:
    rules = RequestRules(credentials=("X-Forwarded-Host", "Accept"))
    assert Shapes(rules)[b"host\nx-forwarded-proto"] is not None
    assert Shapes(rules)[b"host\nx-forwarded-host"] is None
    assert Shapes(rules)[b"host\naccept"] is None


def test_whatever_clients_send_few_and_short_lists_of_names_are_remembered() -> None:
    shapes = Shapes(RequestRules())
    for number in range(1500):
        assert shapes[b"host\nx-%d" % number] is None
        assert len(shapes) <= 256
    shapes.clear()
    long = b"\n".join([b"host", *(b"x-%d" % number for number in range(400))])
    assert shapes[long] is None
    assert not shapes
    assert shapes[b"host"] is shapes[b"host"]
