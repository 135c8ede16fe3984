from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.identity.doors import ASGIDoor, WSGIDoor

if TYPE_CHECKING:
    from tests.identity.doors import Door


@pytest.fixture(params=[ASGIDoor, WSGIDoor], ids=["ASGI", "WSGI"])
def door(request: pytest.FixtureRequest) -> Door:
    """The door by which requests come to an application behind its cache."""
    made: Door = request.param
    return made
