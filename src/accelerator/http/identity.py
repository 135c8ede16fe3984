"""Find the user, session or certificate that the server or an outer middleware has put into the scope or environ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from accelerator.asgi_types import Scope

SCOPE_IDENTITIES: Final = {
    "user": "a user",  # Starlette's AuthenticationMiddleware, Litestar, Channels
    "auth": "a user",  # Starlette's AuthenticationMiddleware, Litestar
    "session": "a session",  # Starlette's SessionMiddleware, Litestar
    "csrftoken": "a CSRF token",  # asgi-csrf
}
"""Keys that middlewares put into the ASGI scope, with the words that logs and Cache-Status use for their values."""

_STATE: Final = {f"state.{name}": name for name in ("user", "current_user", "user_id", "session", "auth", "principal")}
"""Names that middlewares put into `scope["state"]` (Starlette's `request.state`), by their place in the scope."""

_CERTIFICATE: Final = {f"tls.{name}": name for name in ("client_cert_name", "client_cert_chain")}
"""Keys of the client's certificate in the ASGI TLS extension, by their place in the scope's `extensions`."""

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
    "secure_cookie.session": "a session",
    "werkzeug.session": "a session",
    "repoze.who.identity": "a user",
    "wsgiorg.user": "a user",
}
"""Keys that servers and middlewares put into the WSGI environ, with the words of Cache-Status for their values."""

_SCOPE_IN_ENVIRON: Final = "asgi.scope"
"""The key of an environ made by a2wsgi that holds the ASGI scope from which it was made."""

_ENVIRON_IN_SCOPE: Final = "wsgi_environ"
"""The key of a scope made by a2wsgi that holds the WSGI environ from which it was made."""

_WORDS: Final = {
    **SCOPE_IDENTITIES,
    **dict.fromkeys(_STATE, "a user"),
    **dict.fromkeys(_CERTIFICATE, "a client certificate"),
    **_ENVIRON,
}
_SESSIONS: Final = frozenset(
    {"session", "state.session", "beaker.session", "secure_cookie.session", "werkzeug.session"}
)
_SCOPES: Final = frozenset({"auth", "state.auth"})
_SCOPE_NAMES: Final = frozenset({*SCOPE_IDENTITIES, _ENVIRON_IN_SCOPE, "wsgi.environ"})
_ENVIRON_NAMES: Final = frozenset({*_ENVIRON, _SCOPE_IN_ENVIRON})
_STATE_NAMES: Final = frozenset(_STATE.values())
_PLAIN: Final = frozenset({type(None), bool, str, bytes, dict, list, tuple, set, frozenset})
_ABSENT: Final = object()
_UNREADABLE: Final = object()


def of_scope(scope: Scope) -> str:
    """Return what identifies a user in an ASGI scope, such as `a session`; `""` if nothing does."""
    return "" if is_bare(scope) else _first(_in_scope(scope))


def is_bare(scope: Scope) -> bool:
    """Tell quickly whether an ASGI scope certainly has nothing that identifies a user, and is not made of an environ.

    It is a quick look, and enough for the scopes that servers make. False proves nothing.
    """
    state, extensions = scope.get("state"), scope.get("extensions")
    return (
        scope.keys().isdisjoint(_SCOPE_NAMES)
        and (state is None or (type(state) is dict and (not state or state.keys().isdisjoint(_STATE_NAMES))))
        and (extensions is None or (type(extensions) is dict and _is_uncertified(extensions)))
    )


def of_environ(environ: Mapping[str, Any]) -> str:
    """Return what identifies a user in a WSGI environ, such as `a session`; `""` if nothing does."""
    return "" if environ.keys().isdisjoint(_ENVIRON_NAMES) else _first(_in_environ(environ))


def identity_places_in(scope: Scope) -> frozenset[str]:
    """Return the places of a request's scope or environ whose value identifies a user, or may come to do so."""
    has_none = is_bare(scope) and "tls" not in (scope.get("extensions") or ())
    return frozenset() if has_none else frozenset(_in_world(scope))


def identity_at(places: frozenset[str], scope: Scope) -> str:
    """Return what identifies a user at one of these places now, such as `a session`; `""` if nothing does.

    The values are read anew, because the application may have filled a session, or replaced it by another one.

    Args:
        places: the result of `identity_places_in`.
        scope: the scope of the request.
    """
    return _first({place: value for place, value in _in_world(scope).items() if place in places}) if places else ""


def _in_world(scope: Scope) -> dict[str, object]:
    environ = scope.get("wsgi.environ")
    return _in_scope(scope) if environ is None else _in_environ(environ)


def _is_uncertified(extensions: Mapping[str, Any]) -> bool:
    """Tell whether the ASGI TLS extension is absent, or certainly names no client certificate."""
    if "tls" not in extensions:
        return True
    tls = extensions["tls"]
    return type(tls) is dict and not (tls.get("client_cert_name") or tls.get("client_cert_chain"))


def _first(found: Mapping[str, object]) -> str:
    return next((_WORDS[place] for place, value in found.items() if _identifies_user(place, value)), "")


def _in_scope(scope: Scope) -> dict[str, object]:
    """Return the values in a scope that may identify a user, by place."""
    found = {name: scope[name] for name in SCOPE_IDENTITIES if name in scope}
    found |= _read(scope.get("state"), _STATE)
    found |= _read(_of(scope.get("extensions"), "tls"), _CERTIFICATE)
    return found | _in_environ(scope[_ENVIRON_IN_SCOPE]) if _ENVIRON_IN_SCOPE in scope else found


def _in_environ(environ: Mapping[str, Any]) -> dict[str, object]:
    """Return the values in an environ that may identify a user, by place."""
    found = {name: environ[name] for name in _ENVIRON if name in environ}
    return found | _in_scope(environ[_SCOPE_IN_ENVIRON]) if _SCOPE_IN_ENVIRON in environ else found


def _read(holder: object, names: Mapping[str, str]) -> dict[str, object]:
    if holder is None or holder is _ABSENT or (type(holder) is dict and not holder):
        return {}
    return {place: value for place, name in names.items() if (value := _of(holder, name)) is not _ABSENT}


def _of(holder: object, name: str) -> object:
    """Return the value of a name in a dict, or in the object that some middlewares use in place of a dict."""
    try:
        return holder.get(name, _ABSENT) if isinstance(holder, Mapping) else getattr(holder, name, _ABSENT)
    except Exception:  # noqa: BLE001 - objects of other libraries may raise anything
        return _UNREADABLE


def _identifies_user(place: str, value: object) -> bool:
    """Tell whether a value identifies a user: an empty session and an anonymous user do not, the id 0 does.

    An object with nothing but scopes identifies a user if it has any. In an object with more than that, an empty list
    of scopes proves nothing, because a user may have been granted none.
    """
    try:
        if place in _SESSIONS or type(value) in _PLAIN:
            return bool(value)
        if place in _SCOPES and vars(value).keys() == {"scopes"}:  # Starlette's AuthCredentials
            return bool(vars(value)["scopes"])
        return bool(getattr(value, "is_authenticated", True))
    except Exception:  # noqa: BLE001 - an exception does not prove that there is no user
        return True
