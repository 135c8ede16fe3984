"""Explain an answer of the cache in words: what came of the request and why, and what would make it storable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import http_sf

from accelerator.cures import FORWARDED, NEWER, UNFIT, cure_of, heading_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from accelerator.cures import Cure

Member: TypeAlias = "dict[str, Any]"
"""A member of a structured field: its `value`, and its parameters by name."""

PAGE: Final = "docs/troubleshooting.md"

_LABELS: Final = {
    "decision": "decided",
    "bypassed-by": "passes by for",
    "asked": "the request asks",
    "found": "in the store",
    "method": "method",
    "key": "key",
    "keyed-by": "and in the key",
    "selected-by": "chosen by",
    "asks": "says who asks",
    "cookies": "cookies",
    "cookies-ignored": "cookies ignored",
    "query-ignored": "query shortened",
    "partition": "partition",
    "lifetime": "fresh for",
    "answers": "may answer",
    "said": "was said",
    "tags": "tags",
    "cut": "left out",
}
"""The members of the reasoning in the order in which they are shown, with the words for them."""

_FOUND: Final = {
    "nothing": "nothing for this URL",
    "others": "other variants only",
    "taken-back": "nothing any more: it was taken back",
    "entry": "a response",
}
_OUTCOMES: Final = {
    "hit": "A hit: answered from the store",
    "stale": "Stale: answered from the store, past its time",
    "validated": "Validated: the application said that what is stored still holds",
    "miss": "A miss: answered by the application",
    "pass": "Passed by: answered by the application, and not for the store",
}


def reasoning_of(fields: Mapping[str, str]) -> dict[str, Member]:
    """Return what an answer says of its making, empty if it says nothing.

    That is the whole reasoning if the site has told it, else what Cache-Status has.

    Args:
        fields: the fields of the answer by name in lower case.

    Raises:
        ValueError: it cannot be read.
    """
    debug, status = fields.get("accelerator-debug"), fields.get("cache-status")
    if debug is not None:
        parsed = http_sf.parse(debug.encode("latin-1"), tltype="dictionary")
        told = {name: _plain(*member) for name, member in cast("dict[str, Any]", parsed).items()}
        if "outcome" not in told:
            raise ValueError("it has no outcome")
        return told
    if status is not None:
        *_, (_, parameters) = cast("list[Any]", http_sf.parse(status.encode("latin-1"), tltype="list")) or [("", {})]
        return {"outcome": _outcome(_plain("", parameters))}
    return {}


def _outcome(said: Member) -> Member:
    """Return the outcome that a member of Cache-Status means (RFC 9211 §2)."""
    kind = "pass" if said.get("fwd") in {"method", "bypass"} else "hit" if said.get("hit") else "miss"
    return {**said, "value": kind}


def _plain(value: Any, parameters: Mapping[str, Any]) -> Member:
    plain = [_item(one) for one, _ in value] if isinstance(value, list) else _item(value)
    return {"value": plain, **{name: _item(one) for name, one in parameters.items()}}


def _item(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else str(value)


def reasons(reasoning: Mapping[str, Member]) -> list[tuple[str, str, Cure]]:
    """Return why the request was not answered from the store, and why its response is not stored.

    Returns:
        The reason, its heading in docs/troubleshooting.md or `""`, and its cure, for each.
    """
    outcome = reasoning["outcome"]
    detail, fwd = str(outcome.get("detail", "")), str(outcome.get("fwd", ""))
    found = [] if (cure := cure_of(detail)) is None else [(detail, heading_of(detail), cure)]
    if (forwarded := _cure_of_request(reasoning) if fwd == "request" else FORWARDED.get(fwd)) is not None:
        found.append((fwd, "", forwarded))
    return found


def _cure_of_request(reasoning: Mapping[str, Member]) -> Cure:
    """Return what `fwd=request` means, which has causes of several kinds: all of them where the site has told none."""
    unfit_by = str(reasoning.get("found", {}).get("unfit", ""))
    return UNFIT.get(unfit_by) or (NEWER if "asked" in reasoning else FORWARDED["request"])


def as_json(url: str, status: int, reasoning: Mapping[str, Member]) -> dict[str, Any]:
    """Return what is explained as JSON has it."""
    why = [
        {"reason": reason, "why": cure.why, "cure": cure.cure, "rule": cure.rule, "heading": heading}
        for reason, heading, cure in reasons(reasoning)
    ]
    return {"url": url, "status": status, "reasoning": dict(reasoning), "reasons": why}


def lines_of(url: str, status: int, reasoning: Mapping[str, Member]) -> Iterator[str]:
    """Yield what is explained in lines for a reader. They may contain anything that the site has said."""
    outcome = reasoning["outcome"]
    yield f"{url}: {status}"
    yield _headline(outcome)
    why = reasons(reasoning)
    for reason, heading, cure in why:
        yield f"  {reason}{f' ({cure.rule})' if cure.rule else ''}: {cure.why}"
        if heading:
            yield f"    What to do: {cure.cure}"
            yield f'    More: {PAGE}, "{heading}"'
        elif len(why) == 1:
            yield f"    What to do: {cure.cure}"
    told = [(label, _worded(name, reasoning[name])) for name, label in _LABELS.items() if name in reasoning]
    width = max([len(label) for label, _ in told], default=0)
    for label, words in told:
        yield f"  {label:{width}}  {words}"


def _headline(outcome: Member) -> str:
    kind = str(outcome["value"])
    words = [_OUTCOMES.get(kind, kind)]
    if outcome.get("collapsed"):
        words.append("after it had waited for another request")
    if outcome.get("stored"):
        words.append("and stored: the next request like it may have it")
    elif "detail" in outcome:
        words.append(f"and not stored: {outcome['detail']}")
    elif outcome.get("pending"):
        words.append("and it was not known yet whether it can be stored: ask again")
    return ", ".join(words)


def _worded(name: str, member: Member) -> str:
    """Return a member of the reasoning in words."""
    value = member["value"]
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, bool):
        words = "yes" if value else "no"
    words = _FOUND.get(words, words) if name == "found" else f"{words} s" if name == "lifetime" else words
    details = ", ".join([_detail(key, one) for key, one in member.items() if key != "value"])
    return f"{words} ({details})" if details else words


def _detail(name: str, value: Any) -> str:
    """Return a parameter in words; numbers are seconds but for the number of what is left out."""
    if value is True:
        return name
    if name == "unfit":
        return f"not for a request with these {value}"
    if name == "rule":
        return str(value).replace(", section ", " §")
    return f"{name} {value} s" if type(value) is int and name != "more" else f"{name} {value}"
