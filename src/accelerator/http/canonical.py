"""The forms in which the fields of requests are compared, and shown to the application (RFC 9111 §4.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from accelerator.http.fields import BLANKS

MAX_FORM_BYTES: Final = 256
"""A longer value stays as it is."""

_MAX_FORMS: Final = 1024


def canonical(name: bytes, value: bytes) -> bytes:
    """Return a request's field in the form in which it is compared and shown (RFC 9111 §4.1).

    Text with commas that part nothing stays as it is.

    Args:
        name: its name in lower case.
        value: its lines, joined.
    """
    if name in _FORMS:
        return _canonical(name, value) if len(value) <= MAX_FORM_BYTES else value
    return value if name in _TEXTS else _listed(value)


@lru_cache(_MAX_FORMS)
def _canonical(name: bytes, value: bytes) -> bytes:
    return _FORMS[name](value)


_WEIGHT: Final = rb"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"  # RFC 9110 §12.4.2
_CODING = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)" + _WEIGHT)
_LANGUAGE = re.compile(rb"([A-Za-z]{1,8}(?:-[0-9A-Za-z]{1,8})*|\*)" + _WEIGHT)  # RFC 4647 §2.1

_CODINGS: Final = {name: place for place, name in enumerate((b"gzip", b"deflate", b"br", b"zstd", b"identity", b"*"))}
"""The order in which browsers name them, so that their fields stay as they are."""


def _accept_encoding(value: bytes) -> bytes:
    """Return the codings that are accepted, the preferred ones first (RFC 9110 §12.5.3).

    The order of equally preferred ones means nothing. A malformed value stays as it is.
    """
    weights = _weights(value, _CODING)
    if weights is None:
        return value
    if b"*" not in weights:  # then what is not named is not accepted either
        weights = {name: weight for name, weight in weights.items() if weight or name == b"identity"}
    ranked = sorted(weights.items(), key=lambda item: (-item[1], _CODINGS.get(item[0], len(_CODINGS))))
    return b", ".join([name + _weight(weight) for name, weight in ranked]) or b"identity"


def _accept_language(value: bytes) -> bytes:
    """Return the languages, the preferred ones first (RFC 9110 §12.5.4).

    The order of equally preferred ones means nothing. A malformed value stays as it is.
    """
    weights = _weights(value, _LANGUAGE)
    if weights is None:
        return value
    ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return b",".join([_language_tag(name) + _weight(weight) for name, weight in ranked])


def takes_codings(value: bytes | None) -> bool:
    """Tell whether an Accept-Encoding would rather have gzip, which all that compress know (RFC 9110 §12.5.3).

    A wildcard does not say so: many applications look for the name alone.
    """
    weights = _weights(value, _CODING) if value is not None and len(value) <= MAX_FORM_BYTES else None
    if not weights:
        return False
    gzip = max(weights.get(b"gzip", 0), weights.get(b"x-gzip", 0))
    return gzip > 0 and gzip >= weights.get(b"identity", 0)


def _weights(value: bytes, syntax: re.Pattern[bytes]) -> dict[bytes, int] | None:
    """Return thousandths by name in lower case, None if a member is malformed or names what another one does."""
    weights: dict[bytes, int] = {}
    for member in value.split(b","):
        if not (text := member.strip(BLANKS)):  # RFC 9110 §5.6.1.2: it does not count
            continue
        match = syntax.fullmatch(text)
        if match is None or match[1].lower() in weights:
            return None
        weights[match[1].lower()] = round(1000 * float(match[2] or 1))
    return weights


def _weight(thousandths: int) -> bytes:
    """Write a weight as short as it can be; 1 is what is meant without one."""
    return b"" if thousandths == 1000 else b";q=0" + (b".%03d" % thousandths).rstrip(b"0.")


def _language_tag(name: bytes) -> bytes:
    """Write a tag in its usual case, as browsers do: `zh-Hans-CN` (RFC 5646 §2.1.1)."""
    subtags = name.split(b"-")
    for place, subtag in enumerate(subtags):
        if len(subtag) == 1:  # what follows is in lower case
            break
        if place and len(subtag) == 2:
            subtags[place] = subtag.upper()
        elif place and len(subtag) == 4:
            subtags[place] = subtag.title()
    return b"-".join(subtags)


def _accept(value: bytes) -> bytes:
    """Return the media types without blanks around the commas, as browsers write them (RFC 9110 §12.5.1)."""
    return _listed(value, b",")


def _listed(value: bytes, comma: bytes = b", ") -> bytes:
    """Return a list with the same blanks at each comma (RFC 9110 §5.6.1); inside quotes they mean something."""
    return (
        value if b"," not in value or b'"' in value else comma.join([part.strip(BLANKS) for part in value.split(b",")])
    )


_TEXTS: Final = frozenset(b"authorization cookie date from host if-modified-since if-range referer user-agent".split())
"""Fields that are no lists."""

_FORMS: Final = {
    b"accept": _accept,
    b"accept-encoding": _accept_encoding,
    b"accept-language": _accept_language,
}
