"""The answers to operators, which no cache keeps and no page of another site may use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTENT_SECURITY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_FIELDS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _CONTENT_SECURITY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
}


class RequestError(Exception):
    """A request cannot be answered as it asks to be.

    Args:
        status: the status code.
        words: what is wrong, and what to do about it, in one sentence.
        fields: header fields that belong to the status.
    """

    def __init__(self, status: int, words: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.fields = fields or {}


def file_answer(content: bytes, media_type: str) -> Response:
    """Return the answer that is a file of the page."""
    return Response(content, headers=_FIELDS, media_type=media_type)


def json_answer(content: Any, status: int = 200) -> Response:
    """Return an answer as JSON. It is ASCII, since URLs and tags may have what UTF-8 cannot say."""
    return Response(json.dumps(content), status, _FIELDS, "application/json")


def error_answer(error: RequestError) -> Response:
    """Return the answer that says what is wrong."""
    answer = json_answer({"error": error.words}, error.status)
    answer.headers.update(error.fields)
    return answer
