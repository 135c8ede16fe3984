"""An origin that is asked over TLS: whom the gateway trusts, and what an end of the connection proves."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from accelerator import ASGIAccelerator
from tests.gateway.origin import Asked, gateway_to, saying, serving
from tests.support import ask

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def certified(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.usefixtures("trusting")
async def test_an_authority_in_ssl_cert_file_is_trusted(authority: trustme.CA) -> None:
    async with serving(saying(OK), certified(authority)) as origin, gateway_to(origin.url) as gateway:
        answers = [await ask(gateway) for _ in range(2)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"ok")] * 2
    assert [(asked.connection, asked.lines[0]) for asked in origin.asked] == [(1, b"host: example.org")] * 2


async def test_a_certificate_of_nobody_known_is_a_502_that_says_why(
    authority: trustme.CA, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with serving(saying(OK), certified(authority)) as origin, gateway_to(origin.url) as gateway:
        answer = await ask(gateway)
    assert (answer.status, answer.body, origin.asked) == (502, b"the origin cannot be reached", [])
    said = next(record.getMessage() for record in caplog.records if record.name == "accelerator")
    assert said.startswith("the origin cannot be reached: ")
    assert "CERTIFICATE_VERIFY_FAILED" in said


@pytest.mark.usefixtures("trusting")
async def test_a_certificate_of_another_host_is_a_502(authority: trustme.CA) -> None:
    async with serving(saying(OK), certified(authority, "127.0.0.2")) as origin, gateway_to(origin.url) as gateway:
        assert (await ask(gateway)).status == 502
    assert origin.asked == []


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    ("is_secure", "framing", "calls"),
    [
        pytest.param(False, b"", 1, id="an orderly end of TCP"),
        pytest.param(True, b"", 2, id="an end of TLS, which may be somebody's cut (RFC 9112 8)"),
        pytest.param(True, b"Content-Length: 2\r\n", 1, id="a length that TLS has kept"),
        pytest.param(True, b"Transfer-Encoding: chunked\r\n", 1, id="chunks that TLS has kept"),
    ],
)
async def test_content_that_ends_with_its_connection_is_stored_where_the_end_is_sure(
    authority: trustme.CA, is_secure: bool, framing: bytes, calls: int
) -> None:
    content = b"2\r\nok\r\n0\r\n\r\n" if b"chunked" in framing else b"ok"
    answer = saying(b"HTTP/1.1 200 OK\r\nCache-Control: s-maxage=60\r\n%s\r\n%s" % (framing, content), closing=True)
    tls = certified(authority) if is_secure else None
    async with serving(answer, tls) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        assert [(await ask(app)).body for _ in range(2)] == [b"ok", b"ok"]
    assert len(origin.asked) == calls


@pytest.mark.usefixtures("trusting")
async def test_a_304_over_tls_freshens_what_is_stored(authority: trustme.CA) -> None:
    fresh = b'HTTP/1.1 200 OK\r\nCache-Control: s-maxage=0\r\nETag: "1"\r\nContent-Length: 2\r\n\r\nok'
    unchanged = b'HTTP/1.1 304 Not Modified\r\nCache-Control: s-maxage=60\r\nETag: "1"\r\n\r\n'
    answers = [fresh, unchanged]

    async def handle(asked: Asked) -> None:
        await asked.send(answers.pop(0))

    async with serving(handle, certified(authority)) as origin, gateway_to(origin.url) as gateway:
        app = ASGIAccelerator(gateway)
        assert [(await ask(app)).body for _ in range(3)] == [b"ok"] * 3
    assert len(origin.asked) == 2
