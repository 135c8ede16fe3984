"""Who asks, as the server and what stands further out have put it into the scope or the environ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerator.asgi_types import Scope

OUTER: Final = {
    "user": "a user",  # Starlette's AuthenticationMiddleware, Litestar, Channels
    "auth": "a user",  # Starlette's AuthenticationMiddleware, Litestar
    "session": "a session",  # Starlette's SessionMiddleware, Litestar
    "csrftoken": "a CSRF token",  # asgi-csrf
}
"""What middlewares put into the scope, with the words for it."""

_STATE: Final = frozenset({"user", "current_user", "user_id", "session", "auth", "principal"})
"""What middlewares put into `request.state`."""

_ENVIRON: Final = {
    "REMOTE_USER": "REMOTE_USER",  # RFC 3875 §4.1.11
    "AUTH_USER": "AUTH_USER",  # IIS
    "LOGON_USER": "LOGON_USER",  # IIS
    "SSL_CLIENT_S_DN": "a client certificate",  # mod_ssl, cheroot
    "SSL_CLIENT_CERT": "a client certificate",  # mod_ssl
    "SSL_CLIENT_M_SERIAL": "a client certificate",  # mod_ssl
    "HTTPS_DN": "a client certificate",  # uWSGI
    "HTTPS_CC": "a client certificate",  # uWSGI
    "OIDC_CLAIM_sub": "OIDC_CLAIM_sub",  # mod_auth_openidc
    "Shib-Session-ID": "a session",  # Shibboleth
    "MELLON_NAME_ID": "a session",  # mod_auth_mellon
    "beaker.session": "a session",
    "werkzeug.session": "a session",
    "repoze.who.identity": "a user",
    "wsgiorg.user": "a user",
}
"""What servers and middlewares put into the environ, with the words for it."""


def of_scope(scope: Scope) -> str:
    """Say what of an ASGI scope tells who asks, in words; `""` for nothing."""
    if not scope.keys().isdisjoint(OUTER) and (words := _first(scope, OUTER)):
        return words
    state = scope.get("state")
    if state and not state.keys().isdisjoint(_STATE) and any(_is_somebody(state.get(name)) for name in _STATE):
        return "a user"
    extensions = scope.get("extensions")
    return "a client certificate" if extensions and "tls" in extensions and _is_certified(extensions["tls"]) else ""


def of_environ(environ: Mapping[str, Any]) -> str:
    """Say what of a WSGI environ tells who asks, in words; `""` for nothing."""
    return "" if environ.keys().isdisjoint(_ENVIRON) else _first(environ, _ENVIRON)


def _first(values: Mapping[str, Any], words: Mapping[str, str]) -> str:
    return next((words[name] for name in words if _is_somebody(values.get(name))), "")


def _is_certified(tls: Mapping[str, Any]) -> bool:
    """Tell whether the ASGI TLS extension names a client certificate."""
    return bool(tls.get("client_cert_name") or tls.get("client_cert_chain"))


def _is_somebody(value: object) -> bool:
    """Tell whether a value stands for somebody: an empty session, nobody's user and no scopes do not."""
    try:
        return bool(value) and bool(getattr(value, "is_authenticated", True)) and bool(getattr(value, "scopes", True))
    except Exception:  # noqa: BLE001 - what a stranger's object raises is no proof that nobody is there
        return True
