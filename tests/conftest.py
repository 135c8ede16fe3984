from __future__ import annotations

import atexit
import logging
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import HealthCheck, settings

from accelerator.stores import publishers

if TYPE_CHECKING:
    from collections.abc import Iterator

# a machine that is busy makes no example wrong
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Async tests run on both; a test that needs one of them parametrizes this fixture."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _usual_levels_of_logs() -> None:
    """Some servers and frameworks that ran in this process before have set others, and left them."""
    logging.getLogger().setLevel(logging.WARNING)
    for name in ("accelerator", "accelerator.ops"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session", autouse=True)
def _no_thread_of_figures() -> Iterator[None]:
    """Figures are published where a test does so, and not by a thread that goes on after the test which began it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishers, "_start", lambda: publishers._page.__setitem__(0, 1))
        atexit.unregister(publishers._publish_last)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Clients trust one authority unless told otherwise: to read all of a system's takes longer than most tests."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield
