"""What request fields say beyond the URL: who asks, by which way, for what part. One table, by kinds, with sources.

Applications and frameworks believe these fields, and hardly ever name them in Vary. So what they say has to count
without being asked for: a field that says who asks needs a response for all, the others tell responses apart.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_CREDENTIALS: Final = {
    "Proxy-Authorization": "RFC 9110 §11.7.2",
    "Signature": "RFC 9421, and ActivityPub's authorized fetch",
    "Client-Cert": "RFC 9440",
    "Client-Cert-Chain": "RFC 9440",
    # keys and tokens that applications ask for
    "X-API-Key": "FastAPI's APIKeyHeader, Amazon API Gateway",
    "Api-Key": "Azure AI services",
    "ApiKey": "Kong key-auth, Supabase",
    "X-ApiKey": "Apigee",
    "X-Goog-Api-Key": "Google Cloud",
    "X-Auth-Token": "OpenStack Keystone, Spring Session",
    "X-Access-Token": "APISIX openid-connect",
    "X-ID-Token": "APISIX openid-connect",
    "X-Token": "FastAPI's documentation",
    "X-Session-Token": "Ory Kratos",
    "X-Amz-Security-Token": "AWS Signature Version 4",
    "Private-Token": "GitLab",
    "Job-Token": "GitLab",
    "X-Redmine-API-Key": "Redmine",
    "X-JFrog-Art-Api": "Artifactory",
    "X-NuGet-ApiKey": "NuGet",
    "X-Vault-Token": "HashiCorp Vault",
    "X-Consul-Token": "HashiCorp Consul",
    "X-Hasura-Admin-Secret": "Hasura",
    "X-Hasura-User-Id": "Hasura",
    "X-Hasura-Role": "Hasura",
    "X-Parse-Session-Token": "Parse",
    "X-Appwrite-Session": "Appwrite",
    "X-Appwrite-JWT": "Appwrite",
    "X-Shopify-Access-Token": "Shopify",
    # what a proxy that authenticates says of the user
    "X-Forwarded-User": "oauth2-proxy, Traefik forward auth",
    "X-Forwarded-Email": "oauth2-proxy",
    "X-Forwarded-Preferred-Username": "oauth2-proxy",
    "X-Forwarded-Groups": "oauth2-proxy",
    "X-Forwarded-Access-Token": "oauth2-proxy",
    "X-Auth-Request-User": "oauth2-proxy",
    "X-Auth-Request-Email": "oauth2-proxy",
    "X-Auth-Request-Preferred-Username": "oauth2-proxy",
    "X-Auth-Request-Groups": "oauth2-proxy",
    "X-Auth-Request-Access-Token": "oauth2-proxy",
    "Remote-User": "Authelia, Caddy",
    "Remote-Email": "Authelia",
    "Remote-Name": "Authelia",
    "Remote-Groups": "Authelia",
    "X-Remote-User": "nginx and Apache recipes, Kubernetes' authenticating proxy",
    "X-Remote-Group": "Kubernetes' authenticating proxy",
    "X-WebAuth-User": "Grafana's auth proxy",
    "X-Authenticated-User": "Traefik, HAProxy recipes",
    "X-Authenticated-Userid": "Kong OAuth 2.0",
    "X-Consumer-ID": "Kong",
    "X-Consumer-Username": "Kong, APISIX",
    "X-Credential-Identifier": "Kong, APISIX",
    "X-Userinfo": "Kong and APISIX openid-connect",
    "X-User": "proxies of one's own",
    "X-User-Id": "proxies of one's own",
    "X-User-Email": "proxies of one's own",
    "X-Username": "proxies of one's own",
    "X-Authentik-Username": "authentik",
    "X-Authentik-Email": "authentik",
    "X-Authentik-Uid": "authentik",
    "X-Authentik-Groups": "authentik",
    "X-Authentik-Jwt": "authentik",
    "X-Vouch-User": "Vouch Proxy",
    "X-Pomerium-Jwt-Assertion": "Pomerium",
    "X-Pomerium-Claim-Email": "Pomerium",
    "Cf-Access-Jwt-Assertion": "Cloudflare Access",
    "Cf-Access-Authenticated-User-Email": "Cloudflare Access",
    "Cf-Access-Client-Id": "Cloudflare Access",
    "Cf-Access-Client-Secret": "Cloudflare Access",
    "X-Amzn-Oidc-Data": "AWS load balancers",
    "X-Amzn-Oidc-Identity": "AWS load balancers",
    "X-Amzn-Oidc-Accesstoken": "AWS load balancers",
    "Tailscale-User-Login": "Tailscale Serve",
    "Tailscale-User-Name": "Tailscale Serve",
    "X-Ms-Client-Principal": "Azure App Service",
    "X-Ms-Client-Principal-Id": "Azure App Service",
    "X-Ms-Client-Principal-Name": "Azure App Service",
    "X-Ms-Token-Aad-Id-Token": "Azure App Service",
    "X-Ms-Token-Aad-Access-Token": "Azure App Service",
    "X-Goog-Iap-Jwt-Assertion": "Google Identity-Aware Proxy",
    "X-Goog-Authenticated-User-Email": "Google Identity-Aware Proxy",
    "X-Goog-Authenticated-User-Id": "Google Identity-Aware Proxy",
    "X-Endpoint-API-UserInfo": "Google Cloud Endpoints",
    "X-Apigateway-Api-Userinfo": "Google API Gateway",
    "X-JWT-Assertion": "WSO2 API Manager",
    "OIDC-Claim-Sub": "mod_auth_openidc",
    "OIDC-Claim-Email": "mod_auth_openidc",
    "OIDC-Access-Token": "mod_auth_openidc",
    "Shib-Session-ID": "Shibboleth",
    # what a proxy that ends TLS says of the client's certificate
    "X-Forwarded-Client-Cert": "Envoy, Istio",
    "X-Forwarded-Tls-Client-Cert": "Traefik",
    "X-Forwarded-Tls-Client-Cert-Info": "Traefik",
    "X-Amzn-Mtls-Clientcert": "AWS load balancers",
    "X-Amzn-Mtls-Clientcert-Leaf": "AWS load balancers",
    "X-Amzn-Mtls-Clientcert-Subject": "AWS load balancers",
    "X-ARR-ClientCert": "Azure App Service",
    "X-Client-Cert": "nginx and HAProxy recipes",
    "X-SSL-Client-Cert": "nginx and HAProxy recipes",
    "X-SSL-Client-S-DN": "nginx and Apache recipes",
    "X-SSL-Client-DN": "HAProxy recipes",
    "SSL-Client-Cert": "ingress-nginx",
    "SSL-Client-Subject-DN": "ingress-nginx",
}

CREDENTIALS: Final = tuple(_CREDENTIALS)
"""Request fields that say who asks, besides Cookie and Authorization, which have rules of their own."""

TARGETS: Final = {
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
    b"x-forwarded-uri": "Traefik",
    b"x-forwarded-method": "Traefik",
    b"x-forwarded": "older proxies",
    b"x-original-host": "Azure Application Gateway",
    b"x-original-url": "IIS, Symfony",
    b"x-original-uri": "ingress-nginx",
    b"x-original-method": "ingress-nginx",
    b"x-original-proto": "ASP.NET Core",
    b"x-rewrite-url": "IIS ISAPI_Rewrite",
    b"x-ms-original-url": "Azure Static Web Apps",
    b"x-waws-unencoded-url": "Azure App Service",
    b"disguised-host": "Azure App Service",
    b"x-host": "older proxies",
    b"x-http-host-override": "older proxies",
    b"x-script-name": "gunicorn and Flask recipes",
    b"script-name": "gunicorn",
    b"x-scheme": "ingress-nginx, Flask recipes",
    b"x-url-scheme": "older proxies",
    b"x-arr-ssl": "IIS ARR",
    b"front-end-https": "Microsoft's proxies",
    b"cloudfront-forwarded-proto": "Amazon CloudFront",
    b"cf-visitor": "Cloudflare",
    b"x-envoy-original-path": "Envoy",
    b"x-envoy-original-host": "Envoy",
}
"""What proxies say of scheme, host and path. Frameworks build links and redirects from it: it joins the key."""

CLIENTS: Final = {
    b"x-forwarded-for": "most proxies",
    b"x-real-ip": "nginx",
    b"true-client-ip": "Akamai, Cloudflare",
    b"x-client-ip": "Apache recipes",
    b"client-ip": "older proxies",
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
"""What proxies say of the client's address. It is another one for each client, and does not count."""

METHODS: Final = {
    b"x-http-method-override": "Rails, Django REST framework's and WebOb's recipes",
    b"x-http-method": "Microsoft's OData",
    b"x-method-override": "IBM, Express",
}
"""What lets a GET mean another method: such a request passes by."""

PARTS: Final = {
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
"""What asks for a part of a page, or another form of it, under the same URL: it joins the key."""

_PAIR: Final = rb'[\w-]+=(?:[\w.:\[\]-]+|"[\w.:\[\]-]*")'
_FORWARDED: Final = re.compile(rb"%b(?:[;,]%b)*+" % (_PAIR, _PAIR))
_NODES: Final = (b"for=", b"by=")


def spellings(names: Iterable[bytes]) -> frozenset[bytes]:
    """Return names with each `-` as `-` or `_`: what turns fields into variables of CGI takes them for the same."""
    return frozenset(
        b"".join(letters)
        for name in names
        for letters in product(*([b"-", b"_"] if letter == "-" else [letter.encode()] for letter in name.decode()))
    )


def without_nodes(forwarded: bytes) -> bytes:
    """Return a Forwarded field without the addresses of clients and proxies (RFC 7239 §5.1, §5.2).

    They are others for each client. What is not plainly written may be read in more than one way, and stays whole.
    """
    plain = forwarded.replace(b" ", b"").replace(b"\t", b"")
    if not _FORWARDED.fullmatch(plain):
        return forwarded
    pairs = re.split(rb"[;,]", plain.lower())
    return b";".join([pair for pair in pairs if not pair.startswith(_NODES)])
