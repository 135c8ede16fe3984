"""pypiserver: anybody may look, who downloads has to say who."""

from __future__ import annotations

from typing import Final

from benchmarks.sites.site import NEWCOMER, Site, Visitor

USERS: Final = {"ann": "Basic YW5uOm9mIGFubg==", "bob": "Basic Ym9iOm9mIGJvYg=="}

SITE = Site(
    name="pypiserver",
    about="an index of packages that all may see; only ann and bob, with their passwords, may download",
    requires=("pypiserver==2.4.2", "legacy-cgi>=2.6; python_version >= '3.13'"),
    server="waitress",
    options={"default_ttl": 60},
    start=("/", "/simple/", "/packages/", "/simple/missing/", "/leaf/json", "/health", "/favicon.ico"),
    visitors={
        **{name: Visitor(fields={"authorization": password}) for name, password in USERS.items()},
        NEWCOMER: Visitor(fields={"accept-language": "fr"}),
    },
    never_hit=("/packages/?*",),
)
