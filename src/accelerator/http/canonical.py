"""The canonical forms of request fields.

The cache compares selecting header fields in these forms (RFC 9111 §4.1), and the application receives them so.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from accelerator.http.fields import BLANKS, COMMA

MAX_FORM_BYTES: Final = 256
"""A longer Accept, Accept-Encoding or Accept-Language field is not changed."""

_MAX_FORMS: Final = 1024


def canonical(name: bytes, value: bytes) -> bytes:
    """Return the canonical form of a request field, the same for equivalent values (RFC 9111 §4.1).

    Accept-Encoding and Accept-Language are compared by their meaning. In other lists only the blanks at commas are made
    the same. A field that is not a list, such as User-Agent or Cookie, is not changed.

    Args:
        name: the field's name in lower case.
        value: the field's value, its lines joined.
    """
    if name in FORMS:
        return _canonical(name, value) if len(value) <= MAX_FORM_BYTES else value
    return value if COMMA not in value or name in _TEXTS else _listed(value)


@lru_cache(_MAX_FORMS)
def _canonical(name: bytes, value: bytes) -> bytes:
    return FORMS[name](value)


_WEIGHT: Final = rb"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"  # RFC 9110 §12.4.2
_CODING = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)" + _WEIGHT)
_LANGUAGE = re.compile(rb"([A-Za-z]{1,8}(?:-[0-9A-Za-z]{1,8})*|\*)" + _WEIGHT)  # RFC 4647 §2.1

_CODINGS: Final = {name: place for place, name in enumerate((b"gzip", b"deflate", b"br", b"zstd", b"identity", b"*"))}
"""The order of codings with equal weight. Browsers list them in this order, so their fields are not changed."""


def _accept_encoding(value: bytes) -> bytes:
    """Return the accepted codings, sorted by falling weight (RFC 9110 §12.5.3).

    The order of codings with equal weight has no meaning, so it is made the same. A malformed value is not changed.
    """
    weights = _weights(value, _CODING)
    if weights is None:
        return value
    if b"*" not in weights:  # without a wildcard, a coding with weight 0 means the same as one left out
        weights = {name: weight for name, weight in weights.items() if weight or name == b"identity"}
    ranked = sorted(weights.items(), key=lambda item: (-item[1], _CODINGS.get(item[0], len(_CODINGS))))
    return b", ".join([name + _weight(weight) for name, weight in ranked]) or b"identity"


def _accept_language(value: bytes) -> bytes:
    """Return the language ranges, sorted by falling weight, then by name (RFC 9110 §12.5.4).

    The order of ranges with equal weight has no meaning, so it is made the same. A malformed value is not changed.
    """
    weights = _weights(value, _LANGUAGE)
    if weights is None:
        return value
    ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return b",".join([_language_tag(name) + _weight(weight) for name, weight in ranked])


def prefers_gzip(value: bytes | None) -> bool:
    """Tell whether an Accept-Encoding field accepts gzip no less than uncompressed content (RFC 9110 §12.5.3).

    Every application that compresses knows gzip. A wildcard does not count, because many applications look only for the
    name `gzip`. The result is False for None, a malformed field and one over 256 bytes.
    """
    return value is not None and len(value) <= MAX_FORM_BYTES and _prefers_gzip(value)


@lru_cache(_MAX_FORMS)
def _prefers_gzip(value: bytes) -> bool:
    weights = _weights(value, _CODING)
    if not weights:
        return False
    gzip = max(weights.get(b"gzip", 0), weights.get(b"x-gzip", 0))
    return gzip > 0 and gzip >= weights.get(b"identity", 0)


def _weights(value: bytes, syntax: re.Pattern[bytes]) -> dict[bytes, int] | None:
    """Return weights in thousandths by name in lower case, None if a member is malformed or a name occurs twice."""
    weights: dict[bytes, int] = {}
    for member in value.split(b","):
        if not (text := member.strip(BLANKS)):  # an empty member is ignored (RFC 9110 §5.6.1.2)
            continue
        match = syntax.fullmatch(text)
        if match is None or match[1].lower() in weights:
            return None
        weights[match[1].lower()] = round(1000 * float(match[2] or 1))
    return weights


def _weight(thousandths: int) -> bytes:
    """Return the shortest weight parameter, nothing for a weight of 1, which is the default."""
    return b"" if thousandths == 1000 else b";q=0" + (b".%03d" % thousandths).rstrip(b"0.")


def _language_tag(name: bytes) -> bytes:
    """Return a language tag, given in lower case, in the case that browsers use: `zh-Hans-CN` (RFC 5646 §2.1.1)."""
    subtags = name.split(b"-")
    for place, subtag in enumerate(subtags):
        if len(subtag) == 1:  # the subtags after a single character stay in lower case
            break
        if place and len(subtag) == 2:
            subtags[place] = subtag.upper()
        elif place and len(subtag) == 4:
            subtags[place] = subtag.title()
    return b"-".join(subtags)


def _accept(value: bytes) -> bytes:
    """Return a list of media types without blanks at the commas, as browsers write it (RFC 9110 §12.5.1)."""
    return _listed(value, b",")


def _listed(value: bytes, comma: bytes = b", ") -> bytes:
    """Return a list with the same separator between all members (RFC 9110 §5.6.1).

    A value with a quote is not changed, because a comma inside of quotes separates nothing.
    """
    if COMMA not in value or b'"' in value:
        return value
    return comma.join([part.strip(BLANKS) for part in value.split(b",")])


_TEXTS: Final = frozenset(b"authorization cookie date from host if-modified-since if-range referer user-agent".split())
"""Fields whose values are not lists."""

FORMS: Final = {
    b"accept": _accept,
    b"accept-encoding": _accept_encoding,
    b"accept-language": _accept_language,
}
"""Fields with a canonical form of their own, even if they have no comma."""
