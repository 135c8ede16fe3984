"""httpbin, which shows what it was asked, in each way that HTTP has."""

from __future__ import annotations

from typing import Final

from benchmarks.sites.site import NEWCOMER, Site, Visitor

ANSWERS: Final = (
    *("/html", "/xml", "/json", "/robots.txt", "/encoding/utf8", "/base64/aGVsbG8=", "/bytes/100?seed=1", "/links/3/0"),
    *("/ip", "/headers", "/user-agent", "/get?a=1", "/anything/x?a=b&a=c", "/cookies", "/cookies/set/name/value"),
    *("/gzip", "/deflate", "/stream/3", "/stream-bytes/100?seed=1", "/range/100", "/forms/post"),
    *("/redirect/2", "/relative-redirect/2", "/absolute-redirect/1", "/redirect-to?url=/get"),
    *("/status/204", "/status/301", "/status/304", "/status/404", "/status/410", "/status/418", "/status/500"),
    *("/response-headers?X-A=1&X-A=2&Vary=Accept", "/response-headers?Cache-Control=private,%20max-age=60"),
    *("/hidden-basic-auth/bob/secret", "/etag/%22one%22", "/image", "/image/png", "/image/svg"),
)

SECRETS: Final = ("/basic-auth/bob/secret", "/bearer")

SITE = Site(
    name="httpbin",
    about="answers of all kinds, most of which show the request; ann has a cookie, bob sends a password",
    requires=("httpbin==0.10.4",),
    server="gunicorn",
    options={"default_ttl": 60},
    start=("/", "/legacy", *ANSWERS, *SECRETS),
    limit=60,
    visitors={
        "ann": Visitor(fields={"cookie": "name=ann"}),
        "bob": Visitor(fields={"authorization": "Basic Ym9iOnNlY3JldA=="}),
        NEWCOMER: Visitor(),
    },
    never_hit=SECRETS,
)
