"""Vary: which stored response is of which request."""

from __future__ import annotations

from tests.conformance.case import Case, Lines, asks, cc, reuses

HOUR = cc("max-age=3600")


def varying(*values: str) -> Lines:
    return (HOUR, *(("vary", value) for value in values))


def same(name: str, sentence: str, section: str, vary: Lines, one: Lines, other: Lines) -> Case:
    return Case(name, sentence, section, (asks(*vary, fields=one), reuses(fields=other)))


def others(name: str, sentence: str, section: str, vary: Lines, one: Lines, other: Lines) -> Case:
    """Two variants, side by side."""
    return Case(
        name,
        sentence,
        section,
        (asks(*vary, fields=one), asks(*vary, fields=other), reuses(fields=one), reuses(of=2, fields=other)),
    )


FOO = ("foo", "1")
BAR = ("bar", "abc")
BAZ = ("baz", "789")

MATCHING = [
    same("match", "A request with the same value is answered.", "RFC 9111 §4.1", varying("foo"), (FOO,), (FOO,)),
    same(
        "match-both-absent",
        "A field that is absent from both requests matches.",
        "RFC 9111 §4.1",
        varying("foo"),
        (),
        (),
    ),
    same("match-two", "All fields match.", "RFC 9111 §4.1", varying("foo, bar"), (FOO, BAR), (BAR, FOO)),
    same(
        "match-three",
        "All fields match, one of them absent.",
        "RFC 9111 §4.1",
        varying("foo, bar, baz"),
        (FOO, BAZ),
        (FOO, BAZ),
    ),
    same(
        "match-name-case",
        "The case of a name in Vary does not matter.",
        "RFC 9110 §5.1",
        varying("FOO"),
        (FOO,),
        (FOO,),
    ),
    same("match-empty-vary", "An empty Vary varies on nothing.", "RFC 9110 §5.6.1", varying(""), (FOO,), ()),
    same(
        "match-empty-members",
        "Empty members of Vary are none.",
        "RFC 9110 §5.6.1",
        varying(", ,foo,"),
        (FOO,),
        (FOO, BAR),
    ),
    same(
        "match-field-not-named",
        "A field that Vary does not name does not select.",
        "RFC 9111 §4.1",
        varying("foo"),
        (FOO, ("other", "2")),
        (FOO, ("other", "3")),
    ),
    same(
        "match-lines-combined",
        "A value in one line matches the same in several.",
        "RFC 9111 §4.1",
        varying("foo"),
        (("foo", "1, 2"),),
        (("foo", "1"), ("foo", "2")),
    ),
    same(
        "match-blanks-around-members",
        "Blanks around the members of a list do not matter.",
        "RFC 9111 §4.1",
        varying("foo"),
        (("foo", "1,2"),),
        (("foo", " 1,  2 "),),
    ),
    same(
        "match-language-case",
        "The case of a language does not matter.",
        "RFC 9110 §12.5.4",
        varying("accept-language"),
        (("accept-language", "en, de"),),
        (("accept-language", "eN, De"),),
    ),
    same(
        "match-language-blanks",
        "Blanks around languages do not matter.",
        "RFC 9110 §12.5.4",
        varying("accept-language"),
        (("accept-language", "en, de;q=0.5"),),
        (("accept-language", " en ,   de ; q=0.5"),),
    ),
    same(
        "match-language-order",
        "The order of languages of the same weight does not matter.",
        "RFC 9110 §12.5.4",
        varying("accept-language"),
        (("accept-language", "en, de"),),
        (("accept-language", "de, en"),),
    ),
    same(
        "match-encoding-order",
        "The order of encodings of the same weight does not matter.",
        "RFC 9110 §12.5.3",
        varying("accept-encoding"),
        (("accept-encoding", "gzip, br"),),
        (("accept-encoding", "br,gzip"),),
    ),
]

DIFFERING = [
    others(
        "other-value",
        "A request with another value is another one.",
        "RFC 9111 §4.1",
        varying("foo"),
        (FOO,),
        (("foo", "2"),),
    ),
    others(
        "other-absent",
        "A field that is absent does not match one that is there.",
        "RFC 9111 §4.1",
        varying("foo"),
        (FOO,),
        (),
    ),
    others(
        "other-present",
        "A field that is there does not match one that is absent.",
        "RFC 9111 §4.1",
        varying("foo"),
        (),
        (FOO,),
    ),
    others("other-empty", "An empty field is not an absent one.", "RFC 9111 §4.1", varying("foo"), (), (("foo", ""),)),
    others(
        "other-case",
        "The case of an unknown field's value matters.",
        "RFC 9111 §4.1",
        varying("foo"),
        (("foo", "a"),),
        (("foo", "A"),),
    ),
    others(
        "other-order",
        "The order of an unknown field's members matters.",
        "RFC 9111 §4.1",
        varying("foo"),
        (("foo", "1, 2"),),
        (("foo", "2, 1"),),
    ),
    others(
        "other-inner-blank",
        "A blank inside of a value matters.",
        "RFC 9111 §4.1",
        varying("foo"),
        (("foo", "12"),),
        (("foo", "1 2"),),
    ),
    others(
        "other-quoted-comma",
        "A blank in a quoted string matters.",
        "RFC 9110 §5.6.4",
        varying("foo"),
        (("foo", '"a,b"'),),
        (("foo", '"a, b"'),),
    ),
    others(
        "other-obs-text",
        "Bytes that are no ASCII matter.",
        "RFC 9111 §4.1",
        varying("foo"),
        (("foo", "\xe9"),),
        (("foo", "\xe8"),),
    ),
    others(
        "other-first-of-two",
        "Each field has to match: the first.",
        "RFC 9111 §4.1",
        varying("foo, bar"),
        (FOO, BAR),
        (("foo", "2"), BAR),
    ),
    others(
        "other-second-of-two",
        "Each field has to match: the second.",
        "RFC 9111 §4.1",
        varying("foo, bar"),
        (FOO, BAR),
        (FOO, ("bar", "abcd")),
    ),
    others(
        "other-on-two-lines",
        "The lines of Vary are one list.",
        "RFC 9110 §5.3",
        varying("foo", "bar"),
        (FOO, BAR),
        (FOO, ("bar", "abcd")),
    ),
    others(
        "other-absent-of-two",
        "Each field has to match: neither is there.",
        "RFC 9111 §4.1",
        varying("foo, bar"),
        (FOO,),
        (),
    ),
    others(
        "other-third",
        "Each field has to match, whatever their order.",
        "RFC 9111 §4.1",
        varying("foo, bar, baz"),
        (FOO, BAR, BAZ),
        (BAZ, FOO, ("bar", "x")),
    ),
    others(
        "other-moved-value",
        "A value of one field is not one of another.",
        "RFC 9111 §4.1",
        varying("foo, bar"),
        (("foo", "1"),),
        (("bar", "1"),),
    ),
    others(
        "other-language",
        "Another language is another request.",
        "RFC 9110 §12.5.4",
        varying("accept-language"),
        (("accept-language", "en"),),
        (("accept-language", "en, de"),),
    ),
    others(
        "other-language-weight",
        "Other weights of languages are another request.",
        "RFC 9110 §12.5.4",
        varying("accept-language"),
        (("accept-language", "en, de;q=0.5"),),
        (("accept-language", "de, en;q=0.5"),),
    ),
    others(
        "other-encoding",
        "A client that takes no gzip is another one.",
        "RFC 9110 §12.5.3",
        (*varying("accept-encoding"), ("content-encoding", "gzip")),
        (("accept-encoding", "gzip"),),
        (("accept-encoding", "identity"),),
    ),
    others(
        "other-encoding-refused",
        "A client that refuses gzip is another one.",
        "RFC 9110 §12.5.3",
        (*varying("accept-encoding"), ("content-encoding", "gzip")),
        (("accept-encoding", "gzip"),),
        (("accept-encoding", "gzip;q=0"),),
    ),
]

STAR = [
    Case(
        f"star-{name}",
        "A response that varies on more than requests say is not reused.",
        "RFC 9111 §4.1",
        (asks(*varying(*values), fields=(FOO,)), asks(fields=(FOO,))),
    )
    for name, values in [
        ("alone", ("*",)),
        ("twice", ("*, *",)),
        ("on-two-lines", ("*", "*")),
        ("after-an-empty-member", (", *",)),
        ("after-an-empty-line", ("", "*")),
        ("first", ("*, foo",)),
        ("last", ("foo, *",)),
        ("on-a-later-line", ("foo", "*")),
        ("among-blanks", (" \t* ",)),
    ]
] + [
    Case(
        f"malformed-{name}",
        "A response that varies on what is no field is not reused.",
        "a safety choice",
        (asks(*varying(value), fields=(FOO,)), asks(fields=(FOO,))),
    )
    for name, value in [
        ("two-words", "foo bar"),
        ("semicolon", "foo; bar"),
        ("quoted", '"foo"'),
        ("obs-text", "fo\xf6"),
        ("star-and-word", "*foo bar"),
    ]
]

CHANGING = [
    Case(
        "newest-vary-counts",
        "The Vary of the newest response says what selects.",
        "RFC 9111 §4.1",
        (
            asks(cc("max-age=10"), ("vary", "foo"), fields=(FOO,)),
            asks(HOUR, ("vary", "bar"), fields=(FOO, BAR), after=10),
            reuses(of=2, fields=(("foo", "2"), BAR)),
            asks(HOUR, ("vary", "bar"), fields=(FOO, ("bar", "x"))),
        ),
    ),
    Case(
        "vary-where-there-was-none",
        "What was stored without Vary is not for ever in the way of what varies.",
        "RFC 9111 §4.1",
        (
            asks(cc("max-age=10"), fields=(FOO,)),
            asks(*varying("foo"), fields=(FOO,), after=10),
            reuses(of=2, fields=(FOO,)),
            asks(*varying("foo"), fields=(("foo", "2"),)),
        ),
    ),
    Case(
        "stale-variant-beside-a-fresh-one",
        "Each variant has a time of its own.",
        "RFC 9111 §4.1",
        (
            asks(cc("max-age=10"), ("vary", "foo"), fields=(FOO,)),
            asks(*varying("foo"), fields=(("foo", "2"),)),
            reuses(of=2, after=10, fields=(("foo", "2"),)),
            asks(fields=(FOO,)),
        ),
    ),
    Case(
        "vary-on-a-404",
        "Any status may vary.",
        "RFC 9111 §4.1",
        (
            asks(*varying("foo"), fields=(FOO,), status=404),
            asks(*varying("foo"), fields=()),
            reuses(fields=(FOO,), gets=404),
        ),
    ),
]

CASES = MATCHING + DIFFERING + STAR + CHANGING
