"""Tables of request fields that change the response although Vary hardly ever names them."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Final

from accelerator.http.credentials import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterable


TARGET_FIELDS: Final = {
    b"forwarded": "RFC 7239: `host` and `proto`; who it is for does not count",
    b"x-forwarded-host": "Werkzeug's ProxyFix, Django's USE_X_FORWARDED_HOST, hypercorn's ProxyFix",
    b"x-forwarded-proto": "ProxyFix, Django's SECURE_PROXY_SSL_HEADER, uvicorn, gunicorn",
    b"x-forwarded-port": "ProxyFix, Django's USE_X_FORWARDED_PORT",
    b"x-forwarded-prefix": "ProxyFix, Traefik",
    b"x-forwarded-scheme": "ingress-nginx",
    b"x-forwarded-protocol": "gunicorn",
    b"x-forwarded-ssl": "gunicorn",
    b"x-forwarded-server": "Apache",
    b"x-forwarded-path": "Kong",
    b"x-forwarded-context": "Apache Knox, jupyter-server-proxy",
    b"x-forwarded-uri": "Traefik",
    b"x-forwarded-method": "Traefik",
    b"x-forwarded": "older proxies",
    b"x-original-host": "Azure Application Gateway",
    b"x-original-url": "IIS, Symfony",
    b"x-original-uri": "ingress-nginx",
    b"x-original-method": "ingress-nginx",
    b"x-original-path": "nginx recipes",
    b"x-original-proto": "ASP.NET Core",
    b"x-original-prefix": "ASP.NET Core",
    b"x-original-forwarded-host": "Gravitee",
    b"x-original-forwarded-proto": "recipes for proxies behind proxies",
    b"x-replaced-path": "Traefik",
    b"x-rewrite-url": "IIS ISAPI_Rewrite",
    b"x-ms-original-url": "Azure Static Web Apps",
    b"x-waws-unencoded-url": "Azure App Service",
    b"disguised-host": "Azure App Service",
    b"x-host": "older proxies",
    b"x-http-host-override": "older proxies",
    b"x-proxyscheme": "Apache NiFi",
    b"x-proxyhost": "Apache NiFi",
    b"x-proxyport": "Apache NiFi",
    b"x-proxycontextpath": "Apache NiFi",
    b"x-ingress-path": "Home Assistant",
    b"x-script-name": "gunicorn and Flask recipes",
    b"script-name": "gunicorn",
    b"x-scheme": "ingress-nginx, Flask recipes",
    b"x-url-scheme": "older proxies",
    b"x-arr-ssl": "IIS ARR",
    b"x-https": "older proxies",
    b"front-end-https": "Microsoft's proxies",
    b"ssl-offloaded": "Magento",
    b"wl-proxy-ssl": "WebLogic",
    b"fastly-ssl": "Fastly",
    b"fastly-orig-host": "Fastly",
    b"fly-forwarded-proto": "Fly.io",
    b"fly-forwarded-port": "Fly.io",
    b"cloudfront-forwarded-proto": "Amazon CloudFront",
    b"cf-visitor": "Cloudflare",
    b"x-appengine-https": "Google App Engine",
    b"x-envoy-original-path": "Envoy",
    b"x-envoy-original-host": "Envoy",
    b"x-envoy-original-dst-host": "Envoy",
    b"ssl-client-verify": "ingress-nginx: whether it found a client's certificate good, also that there is none",
    b"x-ssl-client-verify": "nginx and HAProxy recipes, in the same way",
    b"x-client-verify": "nginx recipes, in the same way",
    b"proxy": "httpoxy: programs called by CGI send their own requests there",
}
"""Fields in which proxies give the scheme, host and path of the request, and how its connection was secured.

They are part of the key: frameworks build links and redirects from them, or admit a client whose certificate the proxy
has verified. Many clients share their values.
"""

CLIENT_ADDRESS_FIELDS: Final = {
    b"x-forwarded-for": "most proxies",
    b"x-real-ip": "nginx",
    b"true-client-ip": "Akamai, Cloudflare",
    b"x-client-ip": "Apache recipes",
    b"client-ip": "older proxies",
    b"proxy-client-ip": "WebLogic",
    b"x-cluster-client-ip": "Rackspace, Riverbed",
    b"x-forwarded-client-ip": "older proxies",
    b"forwarded-for": "older proxies",
    b"x-original-forwarded-for": "ingress-nginx",
    b"x-originating-ip": "older proxies",
    b"x-remote-ip": "older proxies",
    b"x-remote-addr": "older proxies",
    b"x-proxyuser-ip": "Google services",
    b"cf-connecting-ip": "Cloudflare",
    b"cf-connecting-ipv6": "Cloudflare",
    b"cf-pseudo-ipv4": "Cloudflare",
    b"fastly-client-ip": "Fastly",
    b"fly-client-ip": "Fly.io",
    b"do-connecting-ip": "DigitalOcean",
    b"x-nf-client-connection-ip": "Netlify",
    b"x-vercel-forwarded-for": "Vercel",
    b"x-azure-clientip": "Azure Front Door",
    b"x-azure-socketip": "Azure Front Door",
    b"x-appengine-user-ip": "Google App Engine",
    b"x-envoy-external-address": "Envoy",
    b"cloudfront-viewer-address": "Amazon CloudFront",
    b"incap-client-ip": "Imperva",
    b"x-sucuri-clientip": "Sucuri",
    b"wl-proxy-client-ip": "WebLogic",
}
"""Fields in which proxies give the client's address. They are not part of the key: each client has another value."""

TARGET_FAMILIES: Final = {
    b"x-forwarded-": "most proxies",
    b"x-original-": "IIS, ingress-nginx, Azure",
    b"x-real-": "nginx recipes",
    b"x-arr-": "IIS ARR",
    b"x-envoy-": "Envoy",
    b"wl-proxy-": "WebLogic",
    b"cf-ip": "Cloudflare: where the client is",
    b"cloudfront-viewer-": "Amazon CloudFront: where the client is",
    b"x-vercel-ip-": "Vercel: where the client is",
    b"x-appengine-": "Google App Engine: where the client is, and what for",
}
"""Prefixes of further fields in which proxies describe the route of a request, or the location of its client."""

IDENTITY_FAMILIES: Final = {
    b"x-auth-request-": "oauth2-proxy",
    b"remote-": "Authelia",
    b"x-remote-": "Kubernetes' authenticating proxy, Home Assistant",
    b"x-webauth-": "Grafana's auth proxy, Gitea",
    b"x-authenticated-": "Kong, recipes",
    b"x-consumer-": "Kong, APISIX",
    b"x-credential-": "Kong, APISIX",
    b"x-token-user-": "caddy-security",
    b"x-authentik-": "authentik",
    b"x-vouch-": "Vouch Proxy",
    b"x-pomerium-": "Pomerium",
    b"x-amzn-oidc-": "AWS load balancers",
    b"x-amzn-mtls-": "AWS load balancers",
    b"x-amzn-ava-": "AWS Verified Access",
    b"x-amzn-request-context": "AWS Lambda Web Adapter",
    b"x-amzn-lambda-context": "AWS Lambda Web Adapter",
    b"x-apigateway-": "Google API Gateway",
    b"x-endpoint-api-": "Google Cloud Endpoints",
    b"x-goog-iap-": "Google Identity-Aware Proxy",
    b"x-goog-authenticated-user-": "Google Identity-Aware Proxy",
    b"x-ms-client-principal": "Azure App Service",
    b"x-ms-token-": "Azure App Service",
    b"x-appengine-user-": "Google App Engine",
    b"tailscale-": "Tailscale Serve",
    b"x-replit-user-": "Replit",
    b"x-sandstorm-": "Sandstorm",
    b"oidc-": "mod_auth_openidc",
    b"mellon-": "mod_auth_mellon",
    b"shib-": "Shibboleth",
    b"sm-": "SiteMinder",
    b"iv-": "IBM Verify Access (WebSEAL)",
    b"ssl-client-": "ingress-nginx",
    b"x-ssl-client-": "nginx and HAProxy recipes",
    b"x-client-cert": "nginx and HAProxy recipes",
}
"""Prefixes of further fields in which proxies identify the user."""

FAMILIES: Final = (*TARGET_FAMILIES, *IDENTITY_FAMILIES)
"""Prefixes of the fields that a gateway accepts from no client: it cannot know every field that only proxies set."""

METHOD_OVERRIDE_FIELDS: Final = {
    b"x-http-method-override": "Rails, Django REST framework's and WebOb's recipes",
    b"x-http-method": "Microsoft's OData",
    b"x-method-override": "IBM, Express",
}
"""Fields that override the method of a request. A request with one of them bypasses the cache."""

UNSAFE_METHODS: Final = frozenset(
    b"ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL"
    b" MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PATCH POST PROPPATCH PUT REBIND UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE"
    b" UPDATEREDIRECTREF VERSION-CONTROL".split()
)
"""The unsafe methods of IANA's registry (RFC 9110 §16.1). A GET that is overridden by one of them is unsafe.

An override by any other name invalidates nothing: an application that knows no overrides answers 200 to all of them, so
that nonsense would invalidate its pages.
"""

PARTIAL_PAGE_FIELDS: Final = {
    b"x-requested-with": "jQuery, Pyramid, Plone",
    b"hx-request": "htmx",
    b"hx-boosted": "htmx",
    b"hx-target": "htmx",
    b"hx-trigger": "htmx",
    b"hx-trigger-name": "htmx",
    b"hx-prompt": "htmx",
    b"hx-current-url": "htmx",
    b"hx-history-restore-request": "htmx",
    b"turbo-frame": "Hotwire Turbo",
    b"x-pjax": "pjax",
    b"x-pjax-container": "pjax",
    b"x-inertia": "Inertia",
    b"x-inertia-version": "Inertia",
    b"x-inertia-partial-component": "Inertia",
    b"x-inertia-partial-data": "Inertia",
    b"x-inertia-partial-except": "Inertia",
    b"x-inertia-error-bag": "Inertia",
    b"x-inertia-reset": "Inertia",
    b"rsc": "React server components",
    b"next-router-state-tree": "Next.js",
    b"next-router-prefetch": "Next.js",
    b"next-router-segment-prefetch": "Next.js",
    b"next-url": "Next.js",
    b"x-nextjs-data": "Next.js",
    b"x-up-version": "Unpoly",
    b"x-up-mode": "Unpoly",
    b"x-up-target": "Unpoly",
    b"x-up-fail-mode": "Unpoly",
    b"x-up-fail-target": "Unpoly",
    b"x-up-context": "Unpoly",
    b"x-up-validate": "Unpoly",
    b"x-alpine-request": "Alpine AJAX",
    b"x-alpine-target": "Alpine AJAX",
    b"datastar-request": "Datastar",
    b"x-livewire": "Livewire",
    b"origin": "middlewares for CORS: they answer by its value, and do not always say so",
}
"""Fields that ask for a part of a page, or another form of it, under the same URL. They are part of the key."""

ORDINARY: Final = frozenset(
    b"accept accept-charset accept-encoding accept-language cache-control connection content-type date"
    b" device-memory dnt downlink dpr ect from host if-modified-since if-none-match if-range keep-alive pragma"
    b" priority purpose referer rtt save-data sec-ch-prefers-color-scheme sec-ch-ua sec-ch-ua-arch"
    b" sec-ch-ua-bitness sec-ch-ua-full-version sec-ch-ua-full-version-list sec-ch-ua-mobile sec-ch-ua-model"
    b" sec-ch-ua-platform sec-ch-ua-platform-version sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user"
    b" sec-gpc sec-purpose te upgrade-insecure-requests user-agent via viewport-width width x-forwarded-for"
    b" x-real-ip".split()
)
"""Common fields that need no handling when a request is read. A request with no others is read fast."""

_PAIR: Final = re.compile(rb'[\w-]+=(?:[\w.:\[\]-]+|"[\w.:\[\]-]*")')
_KNOWN: Final = frozenset(
    {
        *(b"authorization", b"cookie"),  # they have rules of their own
        *(*TARGET_FIELDS, *CLIENT_ADDRESS_FIELDS, *METHOD_OVERRIDE_FIELDS, *PARTIAL_PAGE_FIELDS),
        *(name.lower().encode() for name in CREDENTIALS),
    }
)
_DASHED: Final = re.sub(rb"[^0-9a-z]", b"-", bytes(range(256)).lower())
_NODES: Final = (b"for=", b"by=")


def spellings(names: Iterable[bytes]) -> frozenset[bytes]:
    """Return all spellings of names with `-` and `_` exchanged, which CGI and WSGI cannot tell apart."""
    return frozenset(
        b"".join(letters)
        for name in names
        for letters in product(*([b"-", b"_"] if letter in "-_" else [letter.encode()] for letter in name.decode()))
    )


def cgi_form(name: bytes) -> bytes:
    """Return the name of a field in lower case, with `-` for every character but letters and digits.

    Names with the same result may be one variable to a CGI program: to some, both `X_Forwarded.Host` and
    `X-Forwarded-Host` are HTTP_X_FORWARDED_HOST (RFC 3875 §4.1.18).
    """
    return name.translate(_DASHED)


def unlisted(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that no table here has, split by the option that must name them: `credentials`, then `vary`.

    An unknown field may identify the user, so it counts as credentials, unless its prefix is one of `TARGET_FAMILIES`
    and none of `IDENTITY_FAMILIES`.
    """
    unknown = [name for name in names if name.lower().encode() not in _KNOWN]
    ways = [name for name in unknown if _is_route_field(cgi_form(name.encode()))]
    return tuple(name for name in unknown if name not in ways), tuple(ways)


def _is_route_field(name: bytes) -> bool:
    return name.startswith((*TARGET_FAMILIES,)) and not name.startswith((*IDENTITY_FAMILIES,))


def without_nodes(forwarded: bytes) -> bytes:
    """Return a Forwarded field without the addresses of clients and proxies (RFC 7239 §5.1, §5.2).

    The addresses differ for each client. A field with unusual syntax may be read in more than one way, so it is not
    changed. All commas are kept, because they show which parameters belong together.
    """
    elements = [[pair.strip(b" \t") for pair in element.split(b";")] for element in forwarded.split(b",")]
    if not all(_PAIR.fullmatch(pair) for element in elements for pair in element):
        return forwarded
    kept = [[pair for pair in element if not pair.lower().startswith(_NODES)] for element in elements]
    return b",".join(map(b";".join, kept))
