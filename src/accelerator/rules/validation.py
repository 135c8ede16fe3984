"""Validate a stored response, and update it from the answer (RFC 9111 §4.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.http.fields import combined, is_strong, lowered, weakly_equal
from accelerator.http.response import is_complete, validators_of
from accelerator.rules.freshness import expires_after
from accelerator.rules.plan import Plan, Refusal
from accelerator.rules.response_tags import response_tags
from accelerator.rules.storing import forbidden, new_entry, plan, refused_at_end, selecting_fields
from accelerator.tags import InvalidTagError

if TYPE_CHECKING:
    from accelerator.http.cache_control import CacheControl
    from accelerator.http.request import Request
    from accelerator.http.response import Response
    from accelerator.rules.candidate import Candidate
    from accelerator.rules.entry import Entry

_NOT_UPDATED: Final = frozenset(  # they describe the stored body, so a 304 does not update them (RFC 9111 §3.2)
    b"content-length content-encoding content-range content-md5 content-digest etag transfer-encoding".split()
)


# --- before the application is asked ----------------------------------------------------------------------------------


def can_validate(entry: Entry, invalidated: bool) -> bool:
    """Tell whether an entry can be validated. After a soft invalidation, it can be only by a strong ETag.

    A weak ETag or Last-Modified may be the same before and after the change that was invalidated.

    Args:
        entry: the entry.
        invalidated: whether one of its tags was softly invalidated.
    """
    if invalidated:
        return is_strong(entry.validator)
    return entry.validator is not None or entry.last_modified is not None


def conditions(entry: Entry) -> list[tuple[bytes, bytes]]:
    """Return the conditional request fields that validate an entry (RFC 9111 §4.3.1)."""
    found: list[tuple[bytes, bytes]] = []
    if entry.validator is not None:
        found.append((b"if-none-match", entry.validator))
    if entry.last_modified is not None:
        found.append((b"if-modified-since", entry.last_modified))
    return found


# --- after a 304 ------------------------------------------------------------------------------------------------------


def same_representation(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 is about this entry: a validator in it has to match the entry's (RFC 9111 §4.3.4)."""
    etag = response.get(b"etag")
    if etag is not None:
        return entry.validator is not None and (
            weakly_equal(etag, entry.validator) and (not is_strong(etag) or etag == entry.validator)
        )
    modified = response.get(b"last-modified")
    return modified is None or modified == entry.last_modified


def proves_unchanged(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 proves that the response is unchanged until now: it must name the entry's own strong ETag."""
    return is_strong(entry.validator) and response.get(b"etag") == entry.validator


def freshened(entry: Entry, response: Response) -> Response:
    """Return the stored response updated by a 304 (RFC 9111 §3.2, §4.3.4): its fields replace those of the same name.

    The stored Date is dropped. The entry's selecting header fields stay in Vary even if the 304 does not name them: the
    code of the application that adds them may not run for a 304.
    """
    update = [line for line in response.headers if line[0].lower() not in _NOT_UPDATED]
    dropped = {name.lower() for name, _ in update} | {b"date"}
    kept = [line for line in entry.headers if line[0].lower() not in dropped]
    merged = replace(response, status=entry.status, headers=(*kept, *update))
    missing = sorted({*entry.vary}.difference(merged.vary))
    return replace(merged, headers=(*merged.headers, (b"vary", b", ".join(missing)))) if missing else merged


def plan_after_304(entry: Entry, answer: Response, merged: Candidate) -> Plan | Refusal:
    """Decide whether and how a response may be stored after a 304 has updated it.

    If the 304 has neither cache directives nor Expires, and `cache_for` was not called, it is stored as before.

    Args:
        entry: the entry that was validated.
        answer: the 304, or the answer to a HEAD.
        merged: the stored response that it has updated, as `freshened` returns it.
    """
    request, options, notes = merged.request, merged.options, merged.notes
    targeted = lowered(options.targeted_fields)
    if notes.ttl is not None or any(map(answer.has, (b"cache-control", b"expires", *targeted))):
        made = plan(merged)
        return made if isinstance(made, Refusal) else made._replace(for_codings=entry.for_codings)
    if request.credential or (request.audience and options.cookies == "strict"):
        # the fields of the 304 may be meant for this user only
        return Refusal("a request with credentials needs a word for shared caches")
    control = merged.directives().control
    is_dated = merged.response.has(b"expires") and not control.has_any("max-age", "s-maxage")
    return forbidden(merged, control) or Plan(
        vary=selecting_fields(merged),
        # Expires is a fixed time: a 304 that does not repeat it does not move it
        lifetime=min(entry.lifetime, expires_after(merged.response)) if is_dated else entry.lifetime,
        stale_while_revalidate=entry.stale_while_revalidate,
        stale_if_error=entry.stale_if_error,
        never_stale=entry.never_stale,
        for_cookies=entry.for_cookies,
        for_credentials=entry.for_credentials,
        for_codings=entry.for_codings,
    )


# --- after the answer to a HEAD ---------------------------------------------------------------------------------------


def freshenable_by_head(request: Request, entry: Entry | None, asked: CacheControl | None) -> Entry | None:
    """Return the stored entry if the answer to a HEAD may update it, else None.

    It may not if the request has no-store (RFC 9111 §5.2.1.5), or could not be answered from the entry.

    Args:
        request: the HEAD.
        entry: the entry that the lookup found.
        asked: the request's own cache directives, None if there are none or they are not obeyed.
    """
    if entry is None or not entry.may_answer(request) or (asked is not None and "no-store" in asked):
        return None
    return entry


def entry_after_head(entry: Entry, answer: Candidate) -> Entry | None:
    """Return the stored entry as the answer to a HEAD updates it, None if it is not updated (RFC 9111 §4.3.5).

    An answer with another validator or length makes the entry stale. An answer without a validator updates nothing,
    because it may be about another representation. The mark stays the same.

    Args:
        entry: the stored entry.
        answer: the answer to the HEAD.
    """
    response, notes = answer.response, answer.notes
    if not response.status == entry.status == 200:
        return None
    etag, modified = response.get(b"etag"), response.get(b"last-modified")
    if (
        etag not in {None, combined(entry.headers, b"etag")}
        or modified not in {None, combined(entry.headers, b"last-modified")}
        or not is_complete(response, len(entry.body))
    ):
        return replace(entry, lifetime=0, stale_while_revalidate=0, stale_if_error=0)
    merged = answer._replace(response=freshened(entry, response))
    made = plan_after_304(entry, response, merged)
    if isinstance(made, Refusal) or refused_at_end(answer.request, made, notes) or not any(validators_of(response)):
        return None
    try:
        has_same_tags = response_tags(merged, entry.tags) == entry.tags
    except (InvalidTagError, TypeError):
        has_same_tags = False
    # a new tag may have been invalidated after the entry's mark, which was not checked for it
    return new_entry(merged, made, entry.body, entry.tags, entry.mark, entry.made_in) if has_same_tags else None
