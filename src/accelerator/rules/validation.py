"""Validation: asking whether a stored response still holds, and what the answer says (RFC 9111 §4.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from accelerator.http import fields
from accelerator.http.response import Response, complete, validators_of, vary_of
from accelerator.rules.freshness import expires_after
from accelerator.rules.plan import Plan, Refusal
from accelerator.rules.response_tags import response_tags
from accelerator.rules.storing import control_of, forbidden, new_entry, plan, refused_at_end, selecting_fields
from accelerator.tags import InvalidTagError

if TYPE_CHECKING:
    from accelerator.http.cache_control import CacheControl
    from accelerator.http.request import Request, Vary
    from accelerator.notes import Notes
    from accelerator.options import Options
    from accelerator.rules.entry import Entry


_NOT_UPDATED: Final = frozenset(  # by a 304: what the stored body depends on (RFC 9111 §3.2)
    b"content-length content-encoding content-range content-md5 content-digest etag transfer-encoding".split()
)


def can_validate(entry: Entry, invalidated: bool) -> bool:
    """Tell whether asking is of use: only a strong ETag can lift an entry over an invalidation."""
    if invalidated:
        return fields.is_strong(entry.validator)
    return entry.validator is not None or entry.last_modified is not None


def conditions(entry: Entry) -> list[tuple[bytes, bytes]]:
    """Return the fields that ask whether an entry still holds (RFC 9111 §4.3.1)."""
    found: list[tuple[bytes, bytes]] = []
    if entry.validator is not None:
        found.append((b"if-none-match", entry.validator))
    if entry.last_modified is not None:
        found.append((b"if-modified-since", entry.last_modified))
    return found


def same_representation(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 speaks of this entry: a validator that it names has to be the entry's (RFC 9111 §4.3.4)."""
    etag = response.get(b"etag")
    if etag is not None:
        return entry.validator is not None and (
            fields.weakly_equal(etag, entry.validator) and (not fields.is_strong(etag) or etag == entry.validator)
        )
    modified = response.get(b"last-modified")
    return modified is None or modified == entry.last_modified


def freshened(entry: Entry, response: Response) -> Response:
    """Return the stored response updated by a 304 (RFC 9111 §3.2, §4.3.4): its fields replace those of the same name.

    The stored Date does not outlive the validation. By what the stored content was chosen it stays chosen, whether the
    304 says so or not: what said so may not have run for it.
    """
    update = [line for line in response.headers if line[0].lower() not in _NOT_UPDATED]
    dropped = {name.lower() for name, _ in update} | {b"date"}
    kept = [line for line in entry.headers if line[0].lower() not in dropped]
    merged = replace(response, status=entry.status, headers=(*kept, *update))
    unsaid = sorted({*entry.vary}.difference(vary_of(merged)))
    return replace(merged, headers=(*merged.headers, (b"vary", b", ".join(unsaid)))) if unsaid else merged


def plan_after_304(
    request: Request,
    entry: Entry,
    response: Response,
    merged: Response,
    notes: Notes,
    options: Options,
    known: Vary = (),
) -> Plan | Refusal:
    """Say how a freshened response may be stored: as before where nothing new is said about that.

    Args:
        request: the request that validated.
        entry: the entry that was validated.
        response: the 304.
        merged: what `freshened` made of both.
        notes: what was said with the 304.
        options: the options.
        known: the fields by which the newest response of this URL is chosen.
    """
    targeted = (field.lower().encode("ascii") for field in options.targeted_fields)
    if notes.ttl is not None or any(map(response.has, (b"cache-control", b"expires", *targeted))):
        made = plan(request, merged, notes, options, entry.vary + known)
        return made if isinstance(made, Refusal) else replace(made, for_codings=entry.for_codings)
    if request.credential or (request.audience and options.cookies == "strict"):
        # the new fields may be for this user alone, and nothing says that they are not
        return Refusal("a request with credentials needs a word for shared caches")
    control, _ = control_of(merged, options)
    is_dated = merged.has(b"expires") and not control.has_any("max-age", "s-maxage")  # which does not move with a 304
    return forbidden(merged, control, notes, options) or Plan(
        vary=selecting_fields(merged, notes, options, entry.vary + known),
        lifetime=min(entry.lifetime, expires_after(merged)) if is_dated else entry.lifetime,
        stale_while_revalidate=entry.stale_while_revalidate,
        stale_if_error=entry.stale_if_error,
        never_stale=entry.never_stale,
        for_cookies=entry.for_cookies,
        for_credentials=entry.for_credentials,
        for_codings=entry.for_codings,
    )


def proves_unchanged(entry: Entry, response: Response) -> bool:
    """Tell whether a 304 proves that nothing changed up to the validation: only a strong ETag that it names does."""
    return fields.is_strong(entry.validator) and response.get(b"etag") == entry.validator


def freshenable_by_head(request: Request, entry: Entry | None, asked: CacheControl | None) -> Entry | None:
    """Return what is stored if a HEAD's answer may speak of it; with no-store none is kept (RFC 9111 §5.2.1.5)."""
    if entry is None or not entry.may_answer(request) or (asked is not None and "no-store" in asked):
        return None
    return entry


def entry_after_head(
    request: Request, entry: Entry, response: Response, notes: Notes, options: Options, known: Vary = ()
) -> Entry | None:
    """Return the stored response as a HEAD's answer leaves it, None where that says nothing of it (RFC 9111 §4.3.5).

    Where it names another validator or length, the stored response is stale. Where it names none, nothing shows that it
    speaks of the same. The mark stays what it was.
    """
    if not response.status == entry.status == 200:
        return None
    etag, modified = response.get(b"etag"), response.get(b"last-modified")
    if (
        etag not in {None, fields.combined(entry.headers, b"etag")}
        or modified not in {None, fields.combined(entry.headers, b"last-modified")}
        or not complete(response, len(entry.body))
    ):
        return replace(entry, lifetime=0, stale_while_revalidate=0, stale_if_error=0)
    merged = freshened(entry, response)
    made = plan_after_304(request, entry, response, merged, notes, options, known)
    if isinstance(made, Refusal) or refused_at_end(request, made, notes) or not any(validators_of(response)):
        return None
    try:
        is_same = response_tags(request, merged, notes, options, entry.tags) == entry.tags
    except (InvalidTagError, TypeError):
        is_same = False
    # by what it was not known to be made from, it may have been taken back
    return new_entry(request, merged, made, options, entry.body, entry.tags, entry.mark, notes) if is_same else None
