"""Frameworks build links and redirects from what a proxy says: what one client makes up reaches no other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

from accelerator import WSGIAccelerator, cache_for
from accelerator.http.request_fields import CLIENT_ADDRESS_FIELDS, TARGET_FIELDS
from tests.identity.django_sites import django
from tests.identity.doors import Page
from tests.wsgi.support import ask

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from tests.identity.doors import Door, Handle, Seen
    from tests.wsgi.support import Reply


def linking_by(name: str) -> Handle:
    """An application that believes a field, as frameworks build absolute links."""

    def handle(seen: Seen) -> Page:
        cache_for(60)
        return Page(f"link to {seen.get(name)}")

    return handle


@pytest.mark.parametrize("name", [name.decode() for name in TARGET_FIELDS])
def test_who_makes_up_what_proxies_say_poisons_only_a_page_of_his_own(door: Door, name: str) -> None:
    app = door(linking_by(name))
    evil, proxy = [(name, "host=evil.example")], [(name, "host=good.example")]
    bodies = [app.ask(headers=headers).body for headers in (evil, [], proxy, evil)]
    assert bodies == [
        "link to host=evil.example",
        "link to None",
        "link to host=good.example",
        "link to host=evil.example",
    ]
    assert app.calls == 3
    assert app.ask(headers=proxy).is_hit, "a proxy says the same each time, which costs no hit"


def test_what_forwarded_says_of_the_host_tells_apart_and_what_it_says_of_clients_does_not(door: Door) -> None:
    app = door(linking_by("Forwarded"))
    evil = app.ask(headers=[("Forwarded", "for=192.0.2.1;host=evil.example")])
    own = [app.ask(headers=[("Forwarded", f"for=192.0.2.{last};host=good.example;proto=https")]) for last in (1, 2, 3)]
    assert "evil" in evil.body
    assert [answer.is_hit for answer in own] == [False, True, True]
    assert "evil" not in own[0].body


@pytest.mark.parametrize("name", [name.decode() for name in CLIENT_ADDRESS_FIELDS])
def test_the_address_of_a_client_costs_no_hit(door: Door, name: str) -> None:
    app = door(linking_by("accept"))
    assert [app.ask(headers=[(name, f"192.0.2.{last}")]).is_hit for last in (1, 2)] == [False, True]


# --- Flask and Werkzeug's ProxyFix ------------------------------------------------------------------------------------


def linking_flask() -> Flask:
    app = Flask(__name__)

    @app.route("/")
    def index() -> str:
        cache_for(60)
        return url_for("index", _external=True)

    return app


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_proxy_fix_gives_each_site_its_own_links_on_either_side_of_the_cache(where: str) -> None:
    app: Any = linking_flask()
    if where == "inside":
        app = WSGIAccelerator(ProxyFix(app, x_host=1, x_proto=1, x_prefix=1))
    else:
        app = ProxyFix(WSGIAccelerator(app), x_host=1, x_proto=1, x_prefix=1)
    proxied: dict[bytes, list[tuple[str, str]]] = {
        b"https://a.example/": [("X-Forwarded-Host", "a.example")],
        b"https://b.example/": [("X-Forwarded-Host", "b.example")],
        b"http://b.example/": [("X-Forwarded-Host", "b.example"), ("X-Forwarded-Proto", "http")],
        b"https://b.example/shop/": [("X-Forwarded-Host", "b.example"), ("X-Forwarded-Prefix", "/shop")],
        b"https://example.org/": [],
    }
    for links in proxied, proxied:  # the second time from the store
        for link, headers in links.items():
            assert ask(app, headers=headers).body == link
    assert all(ask(app, headers=headers).is_hit for headers in proxied.values())


# --- Django behind TLS termination ------------------------------------------------------------------------------------


def through_tls(app: WSGIApplication, name: str, value: str) -> Reply:
    """Ask as a proxy does that ends TLS, and speaks plain HTTP to the application."""
    return ask(app, headers=[(name, value)], wsgi__url_scheme="http")


def test_django_secure_ssl_redirect_of_one_plain_visitor_is_no_loop_for_the_others() -> None:
    with django(
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware"],
        SECURE_SSL_REDIRECT=True,
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    ) as site:
        app = WSGIAccelerator(site, default_ttl=60)
        plain = [through_tls(app, "X-Forwarded-Proto", "http") for _ in range(2)]
        assert [(reply.code, reply.get("location"), reply.is_hit) for reply in plain] == [
            (301, "https://example.org/", False),
            (301, "https://example.org/", True),
        ]
        secure = [through_tls(app, "X-Forwarded-Proto", "https") for _ in range(2)]
        assert [(reply.code, reply.body, reply.is_hit) for reply in secure] == [
            (200, b"https://example.org/", False),
            (200, b"https://example.org/", True),
        ]


@pytest.mark.parametrize("is_named", [True, False], ids=["named in vary", "unknown to the cache"])
def test_django_secure_proxy_ssl_header_under_a_name_of_the_sites_own_goes_into_vary(is_named: bool) -> None:
    with django(
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware"],
        SECURE_SSL_REDIRECT=True,
        SECURE_PROXY_SSL_HEADER=("HTTP_X_OUR_EDGE_TLS", "on"),
    ) as site:
        app = WSGIAccelerator(site, default_ttl=60, vary=("X-Our-Edge-TLS",) if is_named else ())
        plain = through_tls(app, "X-Our-Edge-TLS", "off")
        assert (plain.code, plain.get("vary")) == (301, "x-our-edge-tls" if is_named else None)
        assert through_tls(app, "X-Our-Edge-TLS", "on").code == (200 if is_named else 301), "as no cache can know it"


def test_django_use_x_forwarded_host_builds_the_links_of_each_host() -> None:
    with django(USE_X_FORWARDED_HOST=True) as site:
        app = WSGIAccelerator(site, default_ttl=60)
        hosts = ["evil.example", "example.org", "evil.example", "example.org"]
        bodies = [ask(app, headers=[("X-Forwarded-Host", host)]).body for host in hosts]
        assert bodies == [f"https://{host}/".encode() for host in hosts]


# --- a name of the site's own -----------------------------------------------------------------------------------------


def test_a_scheme_under_a_name_of_the_sites_own_goes_into_vary(door: Door) -> None:
    app = door(linking_by("X-Our-Scheme"), vary=("X-Our-Scheme",))
    answers = [app.ask(headers=[("X-Our-Scheme", scheme)]) for scheme in ("http", "https", "http")]
    assert [answer.body for answer in answers] == ["link to http", "link to https", "link to http"]
    assert [answer.get("vary") for answer in answers] == ["x-our-scheme"] * 3, "caches further out are told, too"


def test_a_url_is_taken_back_whatever_proxies_said_of_it(door: Door) -> None:
    app = door(linking_by("X-Forwarded-Host"))
    proxy = [("X-Forwarded-Host", "a.example")]
    app.ask(headers=proxy)
    app.ask(method="POST", headers=proxy)
    assert not app.ask(headers=proxy).is_hit
    app.ask(method="DELETE")
    assert not app.ask(headers=proxy).is_hit
