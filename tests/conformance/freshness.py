"""For how long a response may be reused: Expires in every form, max-age, s-maxage, and which of them counts."""

from __future__ import annotations

from tests.conformance.case import Case, Line, asctime, asks, cc, date, reuses, rfc850

DAY = 86400
FUTURE = ("expires", date(DAY))
NOW = ("date", date())


def used(name: str, sentence: str, section: str, *lines: Line, after: float = 60) -> Case:
    return Case(name, sentence, section, (asks(*lines), reuses(after=after)))


def unused(name: str, sentence: str, section: str, *lines: Line, after: float = 60) -> Case:
    return Case(name, sentence, section, (asks(*lines), asks(after=after)))


LIFETIMES = [
    Case(
        "nothing-said",
        "A response that says nothing of its freshness is not stored.",
        "the opt-in",
        (asks(("content-type", "text/plain")), asks()),
    ),
    Case(
        "max-age-to-the-second",
        "A response is fresh while its age is less than its max-age, and no longer.",
        "RFC 9111 §4.2",
        (asks(cc("max-age=60")), reuses(after=59.5), asks(after=0.5)),
    ),
    Case(
        "reuse-does-not-extend",
        "A reuse makes a response no younger.",
        "RFC 9111 §4.2",
        (asks(cc("max-age=60")), reuses(after=40), asks(after=40)),
    ),
    Case(
        "what-replaced-it-is-fresh",
        "What takes the place of a stale response is fresh for a time of its own.",
        "RFC 9111 §4.2",
        (asks(cc("max-age=60")), asks(cc("max-age=60"), after=60), reuses(after=59, of=2)),
    ),
    Case(
        "s-maxage-to-the-second",
        "A response is fresh in a shared cache while its age is less than its s-maxage.",
        "RFC 9111 §5.2.2.10",
        (asks(cc("s-maxage=60")), reuses(after=59), asks(after=1)),
    ),
    Case(
        "expires-to-the-second",
        "A response is fresh until the moment that Expires names, counted from its Date.",
        "RFC 9111 §4.2.1",
        (asks(("expires", date(60)), NOW), reuses(after=59), asks(after=1)),
    ),
    Case(
        "expires-of-a-slow-clock",
        "Expires counts from Date, whatever time it is here, so that both may come from a clock that is fast.",
        "RFC 9111 §4.2.1",
        (asks(("date", date(1000)), ("expires", date(1060))), reuses(after=59), asks(after=1)),
    ),
    used("expires-in-the-future", "A future Expires is a time of freshness.", "RFC 9111 §5.3", FUTURE, NOW),
    used("expires-without-date", "Without Date, Expires counts from receipt.", "RFC 9111 §4.2.1", FUTURE),
    used(
        "expires-with-a-malformed-date",
        "A Date that is no date is as good as none.",
        "RFC 9110 §6.6.1",
        FUTURE,
        ("date", "yesterday"),
    ),
    unused(
        "expires-in-the-past", "A past Expires is no time of freshness.", "RFC 9111 §5.3", ("expires", date(-DAY)), NOW
    ),
    unused(
        "expires-now",
        "An Expires that equals Date is already over.",
        "RFC 9111 §5.3",
        ("expires", date()),
        NOW,
        after=0,
    ),
    unused(
        "expires-before-date",
        "An Expires before Date is over, though it is in the future here.",
        "RFC 9111 §4.2.1",
        ("expires", date(300)),
        ("date", date(400)),
    ),
    used(
        "max-age-over-expires",
        "A max-age counts, and an Expires beside it does not.",
        "RFC 9111 §5.3",
        cc("max-age=3600"),
        ("expires", date(-DAY)),
        NOW,
    ),
    used(
        "max-age-over-malformed-expires",
        "A max-age counts beside an Expires that is no date.",
        "RFC 9111 §5.3",
        cc("max-age=3600"),
        ("expires", "0"),
        NOW,
    ),
    unused(
        "max-age-0-over-expires",
        "A max-age of 0 counts before a future Expires.",
        "RFC 9111 §5.3",
        cc("max-age=0"),
        FUTURE,
        NOW,
        after=0,
    ),
    unused(
        "short-max-age-over-expires",
        "A short max-age counts before a later Expires.",
        "RFC 9111 §5.3",
        cc("max-age=60"),
        FUTURE,
        NOW,
    ),
    used(
        "s-maxage-over-max-age",
        "A long s-maxage counts before a short max-age.",
        "RFC 9111 §5.2.2.10",
        cc("max-age=1, s-maxage=3600"),
    ),
    unused(
        "short-s-maxage-over-max-age",
        "A short s-maxage counts before a long max-age.",
        "RFC 9111 §5.2.2.10",
        cc("max-age=3600, s-maxage=1"),
    ),
    unused(
        "short-s-maxage-first",
        "The order of s-maxage and max-age does not matter.",
        "RFC 9111 §5.2.2.10",
        cc("s-maxage=1, max-age=3600"),
    ),
    unused(
        "short-s-maxage-on-a-line-of-its-own",
        "The lines of Cache-Control are one list.",
        "RFC 9110 §5.3",
        cc("max-age=3600"),
        cc("s-maxage=1"),
    ),
    unused(
        "s-maxage-0",
        "An s-maxage of 0 counts before a long max-age.",
        "RFC 9111 §5.2.2.10",
        cc("s-maxage=0, max-age=3600"),
        after=0,
    ),
    used(
        "s-maxage-over-max-age-0-and-expires",
        "An s-maxage counts before a max-age of 0 and a past Expires.",
        "RFC 9111 §5.2.2.10",
        cc("max-age=0, s-maxage=3600"),
        ("expires", date(-10)),
    ),
    unused("public-is-no-time", "Public alone is no time of freshness.", "the opt-in", cc("public"), after=0),
    unused(
        "must-revalidate-is-no-time",
        "Must-revalidate alone is no time of freshness.",
        "the opt-in",
        cc("must-revalidate"),
        after=0,
    ),
    unused(
        "a-validator-is-no-time",
        "A validator alone is no time of freshness.",
        "the opt-in",
        ("last-modified", date(-DAY)),
        NOW,
        after=0,
    ),
    Case(
        "default-ttl",
        "A default time is for a response that says none.",
        "the opt-in",
        (asks(), reuses(after=59), asks(after=1)),
        {"default_ttl": 60},
    ),
    Case(
        "default-ttl-under-max-age",
        "A time that the response says counts before the default.",
        "the opt-in",
        (asks(cc("max-age=30")), asks(after=30)),
        {"default_ttl": 60},
    ),
    Case(
        "default-ttl-under-expires",
        "An Expires that has passed is a time, and counts before the default.",
        "RFC 9111 §5.3",
        (asks(("expires", "0")), asks()),
        {"default_ttl": 60},
    ),
]

FORMATS = [
    used(f"expires-{name}", f"Expires may have the form of {form}.", "RFC 9110 §5.6.7", ("expires", value), NOW)
    for name, form, value in [
        ("imf-fixdate", "an IMF-fixdate", date(DAY)),
        ("rfc850", "RFC 850", rfc850(DAY)),
        ("asctime", "asctime()", asctime(DAY)),
        ("rfc850-2050", "RFC 850 with a year of this century", "Thursday, 18-Aug-50 02:01:18 GMT"),
        ("asctime-2050", "asctime() with a day of one digit", "Mon Aug  8 02:01:18 2050"),
        ("beyond-32-bits", "a date that 32 bits cannot hold", "Tue, 19 Jan 2038 03:14:08 GMT"),
        ("far-future", "a date in a far century", "Sun, 21 Nov 2286 04:46:39 GMT"),
        ("year-9999", "the last date there is", "Fri, 31 Dec 9999 23:59:59 GMT"),
    ]
] + [
    used(f"expires-{name}", f"The {part} of Expires may have any case.", "RFC 9111 §4.2", ("expires", value), NOW)
    for name, part, value in [
        ("weekday-in-capitals", "weekday", "THU, 18 Aug 2050 02:01:18 GMT"),
        ("weekday-in-small-letters", "weekday", "thu, 18 Aug 2050 02:01:18 GMT"),
        ("month-in-capitals", "month", "Thu, 18 AUG 2050 02:01:18 GMT"),
        ("month-in-small-letters", "month", "Thu, 18 aug 2050 02:01:18 GMT"),
        ("zone-in-mixed-case", "zone", "Thu, 18 Aug 2050 02:01:18 gMT"),
    ]
]

MALFORMED = [
    unused(
        f"expires-{name}",
        f"An Expires with {what} has passed already.",
        "RFC 9111 §5.3",
        ("expires", value),
        NOW,
        after=0,
    )
    for name, what, value in [
        ("0", "the value 0", "0"),
        ("minus-1", "the value -1", "-1"),
        ("empty", "an empty value", ""),
        ("a-number-of-seconds", "a number", "2000000000"),
        ("a-word", "a word", "tomorrow"),
        ("iso-8601", "a date of ISO 8601", "2050-08-18T02:01:18Z"),
        ("zone-utc", "the zone UTC", "Thu, 18 Aug 2050 02:01:18 UTC"),
        ("zone-aest", "another zone", "Thu, 18 Aug 2050 02:01:18 AEST"),
        ("zone-offset", "an offset for a zone", "Thu, 18 Aug 2050 02:01:18 +0000"),
        ("no-zone", "no zone", "Thu, 18 Aug 2050 02:01:18"),
        ("two-digit-year", "a year of two digits", "Thu, 18 Aug 50 02:01:18 GMT"),
        ("five-digit-year", "a year of five digits", "Thu, 18 Aug 12050 02:01:18 GMT"),
        ("no-comma", "no comma", "Thu 18 Aug 2050 02:01:18 GMT"),
        ("no-weekday", "no weekday", "18 Aug 2050 02:01:18 GMT"),
        ("two-spaces", "two spaces in a row", "Thu, 18  Aug  2050 02:01:18 GMT"),
        ("dashes", "dashes in a date of the new form", "Thu, 18-Aug-2050 02:01:18 GMT"),
        ("time-with-periods", "periods in its time", "Thu, 18 Aug 2050 02.01.18 GMT"),
        ("one-digit-hour", "an hour of one digit", "Thu, 18 Aug 2050 2:01:18 GMT"),
        ("one-digit-day", "a day of one digit", "Mon, 8 Aug 2050 02:01:18 GMT"),
        ("no-seconds", "no seconds", "Thu, 18 Aug 2050 02:01 GMT"),
        ("hour-24", "an hour that no day has", "Thu, 18 Aug 2050 24:01:18 GMT"),
        ("minute-60", "a minute that no hour has", "Thu, 18 Aug 2050 02:60:18 GMT"),
        ("february-30", "a day that its month has not", "Wed, 30 Feb 2050 02:01:18 GMT"),
        ("unknown-month", "a month that no year has", "Thu, 18 Aux 2050 02:01:18 GMT"),
        ("quoted", "quotes around it", '"Thu, 18 Aug 2050 02:01:18 GMT"'),
        ("trailing-word", "something behind it", "Thu, 18 Aug 2050 02:01:18 GMT; x"),
        ("digits-of-another-script", "superscript digits", "Thu, \xb98 Aug 2050 02:01:18 GMT"),
        (
            "rfc850-of-the-last-century",
            "a two-digit year of more than 50 years ahead",
            "Thursday, 18-Aug-94 02:01:18 GMT",
        ),
    ]
] + [
    unused(
        f"expires-twice-{name}",
        "Of several Expires the first counts, or the response is stale.",
        "RFC 9111 §4.2.1",
        ("expires", first),
        ("expires", second),
        NOW,
        after=0,
    )
    for name, first, second in [
        ("past-first", date(-60), date(DAY)),
        ("malformed-first", "0", date(DAY)),
        ("malformed-both", "tomorrow", "then"),
    ]
]

CASES = LIFETIMES + FORMATS + MALFORMED
