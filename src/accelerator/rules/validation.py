"""Validation: asking whether a stored response still holds, and what the answer says (RFC 9111 §4.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.http.fields import combined, is_strong, weakly_equal
from accelerator.http.response import complete, validators_of, vary_of
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

_NOT_UPDATED: Final = frozenset(  # a 304 leaves what describes the stored body (RFC 9111 §3.2)
    b"content-length content-encoding content-range content-md5 content-digest etag transfer-encoding".split()
)


# --- before the application is asked ----------------------------------------------------------------------------------


def can_validate(entry: Entry, invalidated: bool) -> bool:
    """Tell whether the application can be asked if an entry holds: after an invalidation only a strong ETag proves it.

    Args:
        entry: the entry.
        invalidated: one of its tags was softly invalidated.
    """
    if invalidated:
        return is_strong(entry.validator)
    return entry.validator is not None or entry.last_modified is not None


def conditions(entry: Entry) -> list[tuple[bytes, bytes]]:
    """Return the fields that ask whether an entry still holds (RFC 9111 §4.3.1)."""
    found: list[tuple[bytes, bytes]] = []
    if entry.validator is not None:
        found.append((b"if-none-match", entry.validator))
    if entry.last_modified is not None:
        found.append((b"if-modified-since", entry.last_modified))
    return found


# --- after a 304 ------------------------------------------------------------------------------------------------------


def same_representation(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 is about this entry: a validator that it names has to be the entry's (RFC 9111 §4.3.4)."""
    etag = response.get(b"etag")
    if etag is not None:
        return entry.validator is not None and (
            weakly_equal(etag, entry.validator) and (not is_strong(etag) or etag == entry.validator)
        )
    modified = response.get(b"last-modified")
    return modified is None or modified == entry.last_modified


def proves_unchanged(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 proves that nothing changed until now: it does if it names the entry's own strong ETag."""
    return is_strong(entry.validator) and response.get(b"etag") == entry.validator


def freshened(entry: Entry, response: Response) -> Response:
    """Return the stored response updated by a 304 (RFC 9111 §3.2, §4.3.4): its fields replace those of the same name.

    The stored Date is dropped. The fields by which the stored response was selected stay in Vary even if the 304 does
    not name them: the code that names them may not have run for a 304.
    """
    update = [line for line in response.headers if line[0].lower() not in _NOT_UPDATED]
    dropped = {name.lower() for name, _ in update} | {b"date"}
    kept = [line for line in entry.headers if line[0].lower() not in dropped]
    merged = replace(response, status=entry.status, headers=(*kept, *update))
    missing = sorted({*entry.vary}.difference(vary_of(merged)))
    return replace(merged, headers=(*merged.headers, (b"vary", b", ".join(missing)))) if missing else merged


def plan_after_304(entry: Entry, answer: Candidate) -> Plan | Refusal:
    """Say how a freshened response may be stored: as before, where the 304 says nothing new about that.

    Args:
        entry: the entry that was validated.
        answer: the 304.
    """
    request, options, notes = answer.request, answer.options, answer.notes
    merged = answer.with_response(freshened(entry, answer.response), entry.vary + answer.known_vary)
    targeted = (field.lower().encode("ascii") for field in options.targeted_fields)
    if notes.ttl is not None or any(map(answer.response.has, (b"cache-control", b"expires", *targeted))):
        made = plan(merged)
        return made if isinstance(made, Refusal) else replace(made, for_codings=entry.for_codings)
    if request.credential or (request.audience and options.cookies == "strict"):
        # the new fields may be for this user alone, and nothing says that they are not
        return Refusal("a request with credentials needs a word for shared caches")
    control = merged.directives().control
    is_dated = merged.response.has(b"expires") and not control.has_any("max-age", "s-maxage")
    return forbidden(merged, control) or Plan(
        vary=selecting_fields(merged),
        # the time of Expires does not move with a 304 that does not repeat it
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
    """Return the stored entry if the answer to a HEAD may freshen it; with no-store it may not (RFC 9111 §5.2.1.5)."""
    if entry is None or not entry.may_answer(request) or (asked is not None and "no-store" in asked):
        return None
    return entry


def entry_after_head(entry: Entry, answer: Candidate) -> Entry | None:
    """Return the stored entry as the answer to a HEAD leaves it, None where that says nothing of it (RFC 9111 §4.3.5).

    Where the answer names another validator or length, the entry becomes stale. Where it names no validator, nothing
    shows that it is about the same representation. The mark does not move.

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
        or not complete(response, len(entry.body))
    ):
        return replace(entry, lifetime=0, stale_while_revalidate=0, stale_if_error=0)
    made = plan_after_304(entry, answer)
    if isinstance(made, Refusal) or refused_at_end(answer.request, made, notes) or not any(validators_of(response)):
        return None
    merged = answer.with_response(freshened(entry, response), answer.known_vary)
    try:
        has_same_tags = response_tags(merged, entry.tags) == entry.tags
    except (InvalidTagError, TypeError):
        has_same_tags = False
    # a new tag may have been invalidated after the entry's mark, which nobody has checked
    return new_entry(merged, made, entry.body, entry.tags, entry.mark) if has_same_tags else None
