"""What scope and environ say of who asks."""

from __future__ import annotations

from collections import UserDict
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.authentication import AuthCredentials, SimpleUser, UnauthenticatedUser
from starlette.datastructures import State

from accelerator.http.identity import identity_at, identity_places_in, of_environ, of_scope
from tests.support import http_scope
from tests.wsgi.support import environ_of

SESSIONS = ("beaker.session", "secure_cookie.session", "werkzeug.session")


class Broken:
    """A user whose record cannot be read."""

    @property
    def is_authenticated(self) -> bool:
        raise LookupError("the database is gone")


class Undecided:
    """A session that cannot tell whether it is empty."""

    def __bool__(self) -> bool:
        raise RuntimeError("not loaded")


class Empty:
    """What has a length of its own, which is not that of a session."""

    def __len__(self) -> int:
        return 0


class Locked:
    """A state that cannot be read."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name} is locked")


def certified(**tls: Any) -> dict[str, Any]:
    return {"extensions": {"tls": {"server_cert": None, "client_cert_chain": [], "client_cert_name": None, **tls}}}


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"user": SimpleUser("ada")}, "a user"),
        ({"user": "ada"}, "a user"),
        ({"user": Broken()}, "a user"),
        ({"user": UnauthenticatedUser(), "auth": AuthCredentials(["reader"])}, "a user"),
        ({"auth": "token"}, "a user"),
        ({"session": {"user": "ada"}}, "a session"),
        ({"session": Undecided()}, "a session"),
        ({"csrftoken": lambda: "token"}, "a CSRF token"),
        ({"session": {}, "csrftoken": "token"}, "a CSRF token"),
        ({"user": None, "state": {"user": SimpleUser("ada")}}, "a user"),
        *[({"state": {name: 7}}, "a user") for name in ("current_user", "user_id", "session", "auth", "principal")],
        # who was granted no scopes, or is the first one, is somebody, too
        ({"user": SimpleNamespace(name="ada", is_authenticated=True, scopes=[])}, "a user"),
        ({"auth": SimpleNamespace(subject="ada", scopes=[])}, "a user"),
        ({"state": {"auth": SimpleNamespace(subject="ada", scopes=[])}}, "a user"),
        ({"user": Empty()}, "a user"),
        ({"user": 0}, "a user"),
        *[({"state": {name: 0}}, "a user") for name in ("user", "current_user", "user_id", "auth", "principal")],
        # what should be a dict, and is not
        ({"state": State({"user": "ada"})}, "a user"),
        ({"state": SimpleNamespace(user_id=0)}, "a user"),
        ({"state": UserDict(session={"user": "ada"})}, "a user"),
        ({"state": Locked()}, "a user"),
        ({"extensions": UserDict(tls={"client_cert_name": "CN=ada"})}, "a client certificate"),
        ({"extensions": {"tls": SimpleNamespace(client_cert_name="CN=ada")}}, "a client certificate"),
        (certified(client_cert_name="CN=ada"), "a client certificate"),
        ({"wsgi_environ": environ_of() | {"REMOTE_USER": "ada"}}, "REMOTE_USER"),
        (certified(client_cert_chain=["-----BEGIN CERTIFICATE-----"]), "a client certificate"),
    ],
)
def test_a_scope_tells_who_asks(held: dict[str, Any], words: str) -> None:
    assert of_scope(http_scope(**held)) == words


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"user": None, "auth": None, "session": {}, "csrftoken": ""},
        {"user": UnauthenticatedUser(), "auth": AuthCredentials([])},
        {"state": {}},
        {"state": None},
        {"state": {"user": UnauthenticatedUser(), "session": {}}},
        {"state": {"database": object(), "request_id": "7"}},
        {"state": {"auth": AuthCredentials([]), "user": "", "user_id": None, "session": Empty()}},
        {"state": State()},
        {"state": State({"user": None, "session": {}})},
        {"state": SimpleNamespace(database=object())},
        {"state": 7},
        {"extensions": {"tls": {}}},
        {"extensions": {"tls": None}},
        {"extensions": {"tls": SimpleNamespace(client_cert_name=None)}},
        {"extensions": ["tls"]},
        {"wsgi_environ": environ_of() | {"REMOTE_USER": ""}},
        {"extensions": {"http.response.push": {}}},
        {"extensions": None},
        certified(),
    ],
)
def test_a_scope_that_holds_nobody_is_anybodys(held: dict[str, Any]) -> None:
    assert of_scope(http_scope(**held)) == ""


@pytest.mark.parametrize(
    ("held", "words"),
    [
        *[({name: "ada"}, name) for name in ("REMOTE_USER", "AUTH_USER", "LOGON_USER", "OIDC_CLAIM_sub")],
        *[
            ({name: "CN=ada"}, "a client certificate")
            for name in ("SSL_CLIENT_S_DN", "SSL_CLIENT_CERT", "SSL_CLIENT_M_SERIAL", "HTTPS_DN", "HTTPS_CC")
        ],
        *[({name: {"user": "ada"}}, "a session") for name in ("Shib-Session-ID", "MELLON_NAME_ID", *SESSIONS)],
        ({"repoze.who.identity": {"repoze.who.userid": "ada"}}, "a user"),
        ({"wsgiorg.user": SimpleNamespace(name="ada")}, "a user"),
        ({"REMOTE_USER": "", "SSL_CLIENT_S_DN": "CN=ada"}, "a client certificate"),
        # what the scope of an ASGI server around it says
        ({"asgi.scope": http_scope(user="ada")}, "a user"),
        ({"asgi.scope": http_scope(state={"user_id": 7})}, "a user"),
        ({"asgi.scope": http_scope(**certified(client_cert_name="CN=ada"))}, "a client certificate"),
        ({"REMOTE_USER": "ada", "asgi.scope": http_scope(session={"user": "ada"})}, "REMOTE_USER"),
    ],
)
def test_an_environ_tells_who_asks(held: dict[str, Any], words: str) -> None:
    assert of_environ(environ_of() | held) == words


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"REMOTE_USER": ""},
        {"SSL_CLIENT_CERT": ""},
        *({name: {}} for name in SESSIONS),
        {"asgi.scope": http_scope(session={})},
    ],
)
def test_an_environ_that_holds_nobody_is_anybodys(held: dict[str, Any]) -> None:
    assert of_environ(environ_of() | held) == ""


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"session": {}}, {"session": {"user": "ada"}}, "a session"),
        ({"user": UnauthenticatedUser()}, {"user": SimpleUser("ada")}, "a user"),
        ({"state": {"user_id": None}}, {"state": {"user_id": 0}}, "a user"),
        ({"state": State({"user": None})}, {"state": State({"user": "ada"})}, "a user"),
        (
            {"extensions": {"tls": {"client_cert_name": None}}},
            {"extensions": {"tls": {"client_cert_name": "CN=ada"}}},
            "a client certificate",
        ),
        ({"extensions": {}}, {"extensions": {"tls": {"client_cert_name": "CN=ada"}}}, ""),
        ({"session": {}}, {"session": {}}, ""),
        ({"session": {}}, {"session": None}, ""),
        ({"session": {}}, {}, ""),
        ({}, {"session": {"user": "ada"}}, ""),
        ({"state": {}}, {"state": {"user": "ada"}}, ""),
        ({"state": {}}, {"state": Locked()}, ""),
        ({"session": {}}, {"session": {}, "user": "ada"}, ""),
    ],
)
def test_who_has_come_to_a_place_that_was_there_is_seen(
    before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    """What a middleware further in has put into the scope is the application's own affair."""
    assert identity_at(identity_places_in(http_scope(**before)), http_scope(**after)) == words


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"beaker.session": {}}, {"beaker.session": {"user": "ada"}}, "a session"),
        ({"REMOTE_USER": ""}, {"REMOTE_USER": "ada"}, "REMOTE_USER"),
        ({"asgi.scope": {"session": {}}}, {"asgi.scope": {"session": {"user": "ada"}}}, "a session"),
        ({}, {"beaker.session": {"user": "ada"}}, ""),
        ({"beaker.session": {}}, {}, ""),
    ],
)
def test_who_has_come_to_a_place_of_the_environ_is_seen(
    before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    one, other = ({"wsgi.environ": environ_of() | held} for held in (before, after))
    assert identity_at(identity_places_in(one), other) == words
