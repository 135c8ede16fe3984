"""An answer of the site itself beside that of the site behind the cache: what differs, but for what may."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias

from benchmarks.sites import differences as declared
from benchmarks.sites.cache_status import cache_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.sites.differences import Case, Difference
    from benchmarks.sites.wire import Reply

Lines: TypeAlias = list[tuple[str, str]]

_OF_CONTENT: Final = {"content-length", "etag"}
"""What follows from the content: where that changes from answer to answer, these do."""

_OF_304: Final = {"cache-control", "content-location", "etag", "expires", "vary"}
"""What a 304 has to say where the 200 does (RFC 9110 §15.4.5)."""

_OF_PART: Final = {"content-length", "content-range"}
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Comparison:
    """Compares answers, and remembers which of the declared differences there were.

    Attributes:
        used: the declared differences that were met.
    """

    def __init__(self) -> None:
        self.used: set[Difference] = set()

    def differences(self, case: Case, direct: Reply, reply: Reply, whole: Reply) -> list[str]:
        """Say what differs and may not.

        Args:
            case: where, and what was asked for.
            direct: the site's answer.
            reply: the answer of the site behind the cache.
            whole: what the same visitor's plain GET of the same target got last, behind the cache if that was asked.
        """
        found = list(self._of_same(case, direct, reply, whole))
        if found and (answer := _answer(case, direct, reply, whole)):
            self.used.add(answer)
            return list(self._of_stored(case, reply, whole))
        return found

    def may_answer(self, case: Case, instead_of: int, status: int) -> bool:
        """Tell whether one status may come in place of another one."""
        found = [
            each
            for each in declared.ANSWERS
            if each.holds(case) and (each.instead_of, each.status) == (instead_of, status)
        ]
        self.used.update(found)
        return bool(found)

    def _of_same(self, case: Case, direct: Reply, reply: Reply, whole: Reply) -> Iterator[str]:
        """Compare what should be the same."""
        if direct.status != reply.status:
            yield f"status {direct.status} became {reply.status}"
            return
        changes = direct.body != reply.body or self._settled(case, whole.content) != whole.content
        wanted, given = (self._lines(case, each, changes=changes) for each in (direct, reply))
        given = [line for line in given if not self._may_add(case, line[0], direct)]
        if reply.status == HTTPStatus.NOT_MODIFIED:
            given = [line for line in given if line in wanted]  # it may say more (RFC 9110 §15.4.5)
        yield from _of_lines(wanted, given)
        yield from self._of_content(case, direct, reply)

    def _of_stored(self, case: Case, reply: Reply, whole: Reply) -> Iterator[str]:
        """Compare an answer that was made of the stored whole with the whole."""
        left_out = set()
        if reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if reply.get("content-range") != f"bytes */{len(whole.body)}":
                yield f"{len(whole.body)} bytes, and content-range {reply.get('content-range')!r}"
            return
        if reply.status == HTTPStatus.PARTIAL_CONTENT:
            yield from _of_part(reply, whole)
            left_out = _OF_PART
        elif reply.body != (whole.body if reply.status == HTTPStatus.OK and case.kind != "head" else b""):
            yield f"a {reply.status} to {case.kind} with other content"
        changes = self._settled(case, whole.content) != whole.content
        wanted, given = (self._lines(case, each, changes=changes, left_out=left_out) for each in (whole, reply))
        given = [line for line in given if not self._may_add(case, line[0], whole)]
        if reply.status == HTTPStatus.NOT_MODIFIED:
            wanted = [line for line in wanted if line in given or line[0] in _OF_304]
        yield from _of_lines(wanted, given)

    def _lines(self, case: Case, reply: Reply, *, changes: bool, left_out: set[str] | None = None) -> Lines:
        """Return the lines that count, without what changes from answer to answer."""
        lines = []
        for name, value in reply.lines:
            if free := [each for each in declared.FREE if each.field == name and each.holds(case)]:
                self.used.update(free)
            elif name not in (left_out or ()):
                settled = "..." if changes and name in _OF_CONTENT else self._settled_text(case, value)
                lines.append((name, settled))
        return lines

    def _may_add(self, case: Case, name: str, direct: Reply) -> bool:
        found = [each for each in declared.ADDED if each.field == name and each.holds(case)]
        if not found or direct.get(name) is not None:
            return False
        self.used.update(found)
        return True

    def _settled(self, case: Case, text: bytes) -> bytes:
        for each in declared.CHANGING:
            if each.holds(case):
                text, count = each.pattern.subn(_without_group, text)
                self.used.update([each] if count else [])
        return text

    def _settled_text(self, case: Case, text: str) -> str:
        return self._settled(case, text.encode("latin-1")).decode("latin-1")

    def _of_content(self, case: Case, direct: Reply, reply: Reply) -> Iterator[str]:
        if direct.body == reply.body:
            return
        wanted, given = self._settled(case, direct.content), self._settled(case, reply.content)
        if wanted != given:
            at = _first_difference(wanted, given)
            yield f"content differs at byte {at}: {_around(wanted, at)!r} became {_around(given, at)!r}"
        elif direct.content == reply.content:
            found = [each for each in declared.RECOMPRESSED if each.holds(case)]
            self.used.update(found)
            yield from () if found else ["the same content in other bytes"]


def _answer(case: Case, direct: Reply, reply: Reply, whole: Reply) -> declared.Answer | None:
    """Return the declared answer that the cache gave in place of the site's, if it is one."""
    is_stored = cache_status(reply).is_stored
    for each in declared.ANSWERS:
        status = whole.status if each.status is None else each.status
        if each.holds(case) and (each.instead_of, status) == (direct.status, reply.status):
            return each if is_stored or not each.of_store else None
    return None


def _of_lines(wanted: Lines, given: Lines) -> Iterator[str]:
    yield from (f"{name}: {value!r} is gone" for name, value in wanted if (name, value) not in given)
    yield from (f"{name}: {value!r} is new" for name, value in given if (name, value) not in wanted)
    if set(wanted) == set(given) and wanted != given:
        yield f"lines in another order or number: {[name for name, _ in wanted]} became {[name for name, _ in given]}"


def _of_part(reply: Reply, whole: Reply) -> Iterator[str]:
    said = _CONTENT_RANGE.fullmatch(reply.get("content-range") or "")
    if said is None:
        yield f"a 206 with content-range {reply.get('content-range')!r}"
        return
    first, last, size = map(int, said.groups())
    if size != len(whole.body) or reply.body != whole.body[first : last + 1]:
        yield f"not the part that it says it is: {said[0]} of {len(whole.body)} bytes"


def _without_group(found: re.Match[bytes]) -> bytes:
    start, end = (at - found.start() for at in found.span(found.lastindex or 0))
    return found[0][:start] + found[0][end:]


def _first_difference(one: bytes, other: bytes) -> int:
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _around(text: bytes, at: int) -> bytes:
    return text[max(0, at - 40) : at + 60]
