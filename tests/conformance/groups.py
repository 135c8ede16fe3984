"""Groups of responses that are taken back together."""

from __future__ import annotations

from tests.conformance.case import Case, Exchange, asks, cc, reuses, validates

HOUR = cc("max-age=3600")


def grouped(url: str, *values: str) -> Exchange:
    return asks(HOUR, *(("cache-groups", value) for value in values), url=url)


def post(*values: str, method: str = "POST", status: int = 200) -> Exchange:
    return asks(*(("cache-group-invalidation", value) for value in values), method=method, url="/do", status=status)


def took_back(name: str, sentence: str, section: str, groups: tuple[str, ...], taken: tuple[str, ...]) -> Case:
    return Case(
        name,
        sentence,
        section,
        (grouped("/a", *groups), grouped("/b"), post(*taken), asks(HOUR, url="/a"), reuses(url="/b", of=2)),
    )


def left(name: str, sentence: str, section: str, groups: tuple[str, ...], taken: tuple[str, ...]) -> Case:
    return Case(name, sentence, section, (grouped("/a", *groups), post(*taken), reuses(url="/a")))


MANY = ", ".join(f'"{number:032d}"' for number in range(32))
OF = "RFC 9875 §2"
INVALIDATION = "RFC 9875 §3"

TAKEN = [
    took_back(
        "one", "A response of a group that is taken back is not reused.", INVALIDATION, ('"scripts"',), ('"scripts"',)
    ),
    took_back("first-of-two", "A response may be of several groups: the first.", OF, ('"a", "b"',), ('"a"',)),
    took_back("second-of-two", "A response may be of several groups: the second.", OF, ('"a", "b"',), ('"b"',)),
    took_back("two-lines", "The lines of Cache-Groups are one list.", "RFC 9110 §5.3", ('"a"', '"b"'), ('"b"',)),
    took_back("several-taken", "Several groups may be taken back at once.", INVALIDATION, ('"b"',), ('"a", "b", "c"',)),
    took_back(
        "several-lines-taken",
        "The lines of Cache-Group-Invalidation are one list.",
        "RFC 9110 §5.3",
        ('"b"',),
        ('"a"', '"b"'),
    ),
    took_back("32-groups", "A response may be of 32 groups of 32 characters.", OF, (MANY,), (f'"{31:032d}"',)),
    took_back(
        "32-taken", "32 groups of 32 characters may be taken back at once.", INVALIDATION, (f'"{31:032d}"',), (MANY,)
    ),
    took_back("parameters", "Unknown parameters are ignored.", OF, ('"a";x=1;y',), ('"a"',)),
    took_back(
        "parameters-taken",
        "Unknown parameters of what is taken back are ignored.",
        INVALIDATION,
        ('"a"',),
        ('"a";x="b"',),
    ),
    took_back("with-comma", "A group's name may have commas.", OF, ('"a,b"',), ('"a,b"',)),
    took_back("with-blank", "A group's name may have blanks.", OF, ('"a b"',), ('"a b"',)),
    took_back("with-escape", "A group's name may have quotes.", OF, ('"a\\"b"',), ('"a\\"b"',)),
    took_back("twice", "A group that is named twice is one.", OF, ('"a", "a"',), ('"a", "a"',)),
    *[
        Case(
            f"by-{method}",
            "Any unsafe method takes groups back.",
            INVALIDATION,
            (grouped("/a", '"a"'), post('"a"', method=method), asks(HOUR, url="/a")),
        )
        for method in ("PUT", "DELETE", "PATCH", "FOO")
    ],
    *[
        Case(
            f"with-status-{status}",
            "Any success takes groups back.",
            INVALIDATION,
            (grouped("/a", '"a"'), post('"a"', status=status), asks(HOUR, url="/a")),
        )
        for status in (201, 204, 303)
    ],
    Case(
        "all-of-a-group",
        "All responses of a group are taken back, with their variants.",
        INVALIDATION,
        (
            grouped("/a", '"g"'),
            asks(HOUR, ("vary", "foo"), ("cache-groups", '"g"'), url="/b", fields=(("foo", "1"),)),
            asks(HOUR, ("vary", "foo"), ("cache-groups", '"g"'), url="/b", fields=(("foo", "2"),)),
            post('"g"'),
            asks(url="/a"),
            asks(url="/b", fields=(("foo", "1"),)),
            asks(url="/b", fields=(("foo", "2"),)),
        ),
    ),
    Case(
        "no-cascade",
        "Taking back one group takes back no other group of its responses.",
        INVALIDATION,
        (
            grouped("/a", '"one"'),
            grouped("/b", '"one", "two"'),
            grouped("/c", '"two"'),
            post('"one"'),
            reuses(url="/c", of=3),
            asks(url="/a"),
            asks(url="/b"),
        ),
    ),
    Case(
        "target-as-well",
        "The target of the unsafe request is taken back besides.",
        "RFC 9111 §4.4",
        (grouped("/do"), grouped("/a", '"g"'), post('"g"'), asks(url="/do"), asks(url="/a")),
    ),
    Case(
        "shown",
        "Both fields are passed on.",
        OF,
        (
            asks(HOUR, ("cache-groups", '"a", "b"'), has={"cache-groups": '"a", "b"'}),
            reuses(has={"cache-groups": '"a", "b"'}),
            asks(
                ("cache-group-invalidation", '"a"'), method="POST", url="/do", has={"cache-group-invalidation": '"a"'}
            ),
        ),
    ),
    Case(
        "by-a-304",
        "A 304 may tell of the groups of what is stored.",
        "RFC 9111 §3.2",
        (
            asks(cc("max-age=60"), ("etag", '"v1"'), url="/a"),
            validates(cc("max-age=60"), ("etag", '"v1"'), ("cache-groups", '"g"'), url="/a", after=60),
            post('"g"'),
            asks(HOUR, url="/a"),
        ),
    ),
    Case(
        "stays-after-a-304",
        "A 304 that says nothing of groups takes none away.",
        "RFC 9111 §3.2",
        (
            asks(cc("max-age=60"), ("etag", '"v1"'), ("cache-groups", '"g"'), url="/a"),
            validates(("etag", '"v1"'), url="/a", after=60),
            post('"g"'),
            asks(HOUR, url="/a"),
        ),
    ),
    Case(
        "not-served-stale",
        "What was taken back with its group does not stand in for an error.",
        INVALIDATION,
        (
            asks(cc("max-age=60, stale-if-error=600"), ("cache-groups", '"g"'), url="/a"),
            post('"g"'),
            asks(url="/a", status=503),
        ),
    ),
    Case(
        "stored-after",
        "What is stored after its group was taken back is reused.",
        INVALIDATION,
        (grouped("/a", '"g"'), post('"g"'), grouped("/a", '"g"'), reuses(url="/a", of=3)),
    ),
]

LEFT = [
    left("another", "Another group is not taken back.", INVALIDATION, ('"a"',), ('"b"',)),
    left("case", "The case of a group's name matters.", OF, ('"a"',), ('"A"',)),
    left("prefix", "The beginning of a group's name is another one.", OF, ('"ab"',), ('"a"',)),
    left("parts", "The parts of a name with a comma are no groups.", OF, ('"a,b"',), ('"a", "b"',)),
    left("star", "A star is a name like any.", OF, ('"a"',), ('"*"',)),
    left("empty-list", "An empty field takes nothing back.", INVALIDATION, ('"a"',), ("",)),
    *[
        left(f"malformed-{name}", f"What is taken back by {what} is nothing.", INVALIDATION, ('"a"',), (value,))
        for name, what, value in [
            ("unclosed", "a string that is not closed", '"a'),
            ("trailing-comma", "a list that ends with a comma", '"a",'),
            ("token", "a name without quotes", "a"),
            ("obs-text", "bytes that are no ASCII", '"a", "\xe9"'),
        ]
    ],
    *[
        Case(
            f"{method}-takes-nothing-back",
            f"{method} is safe, and its answer takes nothing back.",
            INVALIDATION,
            (grouped("/a", '"a"'), post('"a"', method=method), reuses(url="/a")),
        )
        for method in ("GET", "HEAD", "OPTIONS")
    ],
    Case(
        "another-host",
        "A group is of one origin: that of another host is not taken back.",
        OF,
        (
            asks(HOUR, ("cache-groups", '"g"'), url="/a", fields=(("host", "other.example"),)),
            grouped("/a", '"g"'),
            post('"g"'),
            reuses(url="/a", fields=(("host", "other.example"),)),
            asks(url="/a"),
        ),
    ),
    Case(
        "another-port",
        "A group is of one origin: that of another port is not taken back.",
        OF,
        (
            asks(HOUR, ("cache-groups", '"g"'), url="/a", fields=(("host", "example.org:8443"),)),
            post('"g"'),
            reuses(url="/a", fields=(("host", "example.org:8443"),)),
        ),
    ),
    Case(
        "tags-are-no-groups",
        "A group is no tag of the same name.",
        OF,
        (asks(HOUR, ("cache-tag", "g"), url="/a"), post('"g"'), reuses(url="/a")),
    ),
]

CASES = TAKEN + LEFT
