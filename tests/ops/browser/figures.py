"""What the server of a page answers: figures of a site that has something of everything, and entries."""

from __future__ import annotations

from typing import Any

NOW = 1_780_000_000.0
"""What the clock of the server says, in seconds since the epoch."""

HOSTILE = '"><img src=x onerror=document.title="taken"></script><script>document.title="taken"</script>\u202etxt\u0007'
"""What somebody might call a URL or a tag."""


def histogram(unit: float, first: int, *counts: int) -> dict[str, Any]:
    """A histogram with these counts from a bucket on."""
    bounds = [unit * 2**power for power in range(24)]
    padded = [0] * first + list(counts) + [0] * (25 - first - len(counts))
    return {"bounds": bounds, "counts": padded, "sum": sum(map(lambda n, b: n * b * 0.7, padded, bounds))}


def traffic(until: float) -> list[list[float]]:
    """Ten minutes of traffic, with an invalidation of everything in the middle, and a pause."""
    last = until // 5 * 5
    steps = []
    for step in range(120):
        if 30 <= step < 36:
            continue
        requests = 420 + (step * 37) % 90 + 2 * step
        missed = 25 + (step * 13) % 17 + (max(0, 300 - 28 * (step - 70)) if step >= 70 else 0)
        steps.append([last - 5 * (119 - step), requests - missed, missed])
    return steps


LATEST = [
    (0.2, "hit", "", "GET", "https://shop.example/products/1042", 41.2, 17),
    (0.9, "miss", "no explicit time", "GET", "https://shop.example/search?q=lamp", None, 1),
    (1.2, "pass", "method", "POST", "https://shop.example/basket", None, 1),
    (1.8, "stale", "", "GET", "https://shop.example/", 61.0, 1),
    (2.5, "hit", "", "GET", "https://shop.example/categories/lamps", 12.7, 8),
    (3.1, "miss", "Set-Cookie", "GET", "https://shop.example/account/login", None, 1),
    (3.3, "miss", "stored", "GET", "https://shop.example/products/7", None, 1),
    (4.0, "validated", "stored", "GET", "https://shop.example/feed.xml", 300.2, 1),
    (4.4, "stale", "stale-if-error", "GET", "https://shop.example/stock", 900.0, 1),
    (5.0, "miss", "a request with X-API-Key needs public", "GET", "https://shop.example/api/prices", None, 1),
    (6.1, "miss", "status 503", "GET", "https://shop.example/stock", None, 1),
]


def figures(**changes: Any) -> dict[str, Any]:
    """Figures, with these in place of some."""
    until = changes.get("until", NOW)
    names = ("outcome", "reason", "method", "url", "age", "number")
    return {
        "since": NOW - 86_400 * 3,
        "until": until,
        "workers": 4,
        "complete": True,
        "requests": {
            "hit": {"": 1_204_311},
            "stale": {"": 8_122, "stale-if-error": 61},
            "validated": {"stored": 2_203},
            "miss": {
                "stored": 51_220,
                "no explicit time": 9_410,
                "Set-Cookie": 3_127,
                "status 503": 61,
                "a request with X-API-Key needs public": 412,
                "refused by the store": 19,
            },
            "pass": {"method": 20_442, "bypass": 310, "the store's lookup failed": 4},
        },
        "refreshes": {"stored": 7_990, "incomplete response": 3},
        "collapsed": 4_821,
        "bytes_served": 48_211_934_210,
        "seconds_saved": 312_044.0,
        "ages": histogram(1.0, 0, 4000, 5100, 9100, 15000, 21000, 30100, 12000, 6000, 900, 80),
        "fills": histogram(0.001, 3, 120, 900, 4000, 21000, 18000, 6000, 1200, 300, 40, 8),
        "filling": 3,
        "invalidations": {"tag": {"hard": 8_211, "soft": 430}, "url": {"hard": 512, "soft": 0}, "all": {"hard": 2}},
        "invalidating": histogram(0.0001, 1, 30, 2000, 5200, 900, 120, 30, 4),
        "invalidations_failed": 0,
        "store": {
            "kind": "TieredStore",
            "shared": True,
            "entries": 184_220,
            "bytes": 1_904_220_160,
            "max_bytes": 4_294_967_296,
            "evictions": 1_290,
            "errors": {"lookup": 4, "commit": 0},
            "breaker_open": False,
            "near": {
                "follower": "web-1",
                "lease": 1.61,
                "sequence": 9_155,
                "behind": 0,
                "heartbeat": 0.00071,
                "leases": 3,
                "lapsed": 0,
                "emptied": 1,
                "applied": 9_102,
                "waited": 2_204,
                "waiting": 4.1,
                "silent": 0,
                "entries": 12_400,
                "bytes": 123_731_968,
                "max_bytes": 268_435_456,
            },
            "fanout": {"Fastly": {"sent": 8_702, "failed": 2, "waiting": 0}},
        },
        "urls": [[f"https://shop.example/products/{1042 + n * 7}", 48_120 // (n + 1)] for n in range(50)],
        "tags": [[f"product:{1042 + n * 7}", 48_120 // (n + 1)] for n in range(40)],
        "unstored": [
            ["no explicit time", "https://shop.example/search?q=lamp", 1_020],
            ["no explicit time", "https://shop.example/search?q=desk", 611],
            ["Set-Cookie", "https://shop.example/account/login", 1_880],
            ["a request with X-API-Key needs public", "https://shop.example/api/prices", 240],
            ["status 503", "https://shop.example/stock", 61],
        ],
        "latest": [{"time": until - ago, **dict(zip(names, line, strict=True))} for ago, *line in LATEST],
        "traffic": traffic(until),
        **changes,
    }


def entry(number: int = 0, **changes: Any) -> dict[str, Any]:
    """An entry, with these in place of some of its facts."""
    age, lifetime = 10.0 + number % 50, 60.0
    return {
        "url": f"https://shop.example/products/{number}",
        "method": "GET",
        "status": 200,
        "vary": ["accept-encoding"],
        "selected_by": ["gzip, br"],
        "tags": [f"product:{number}", "catalogue"],
        "size": 18_204 + number,
        "received": NOW - age,
        "initial_age": 0.0,
        "lifetime": lifetime,
        "stale_while_revalidate": 30.0,
        "stale_if_error": 600.0,
        "is_usable": True,
        "is_fresh": True,
        "etag": 'W/"5d41402a"',
        "partition": False,
        "made_in": 0.084,
        "route": "/products/{id}",
        "age": age,
        "ttl": lifetime - age,
        "hits": 48_120 // (number + 1) if number < 50 else None,
        **changes,
    }
