"""A tracked form on its way through: it is read while it passes, and never kept waiting."""

from __future__ import annotations

import re

from kmproxy.forms.form import Filled, Form
from kmproxy.messages import Headers, first, tokens, values

MAX_BODY = 64 * 1024
"""Bytes of a body that is read; no form that people fill in is longer, unless it holds files."""

_URLENCODED = b"application/x-www-form-urlencoded"
_UTF_8 = (b"utf-8", b"utf8")
_CHARSET = re.compile(rb";\s*charset\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)


class Submission:
    """What takes the pieces of a form's body, and knows in the end whether it was whole.

    ``length`` is the body's in bytes, None if it is not announced; ``left_alone`` why it is not read at all.
    """

    def __init__(self, form: Form, length: int | None = None, left_alone: str = "") -> None:
        self.form = form
        self.left_alone = left_alone or ("too-large" if (length or 0) > MAX_BODY else "")
        """Why nothing is read, in a word for the counters; ``""`` where it is."""
        self._length = length
        self._body = bytearray()
        self._has_ended = False

    @property
    def is_read(self) -> bool:
        """Whether the door has to give it the body's pieces."""
        return not self.left_alone

    def take(self, data: bytes) -> None:
        """The next piece of the body, as it came."""
        if self.is_read and len(self._body) + len(data) > MAX_BODY:
            self.left_alone = "too-large"
            self._body.clear()
        if self.is_read:
            self._body += data

    def end(self) -> None:
        """The body is over; it is whole, if no more was announced."""
        self._has_ended = True

    def filled(self) -> Filled | str:
        """What the form says; or why nothing, in a word."""
        if self.left_alone:
            return self.left_alone
        is_whole = self._has_ended if self._length is None else len(self._body) == self._length
        if not is_whole:
            return "not-whole"
        return self.form.filled(bytes(self._body))


def opened(form: Form, headers: Headers) -> Submission:
    """The submission of a form by a request with a body, whose ``headers`` these are."""
    announced = values(headers, b"content-length")
    length = int(announced[0]) if len(announced) == 1 and re.fullmatch(rb"\d{1,18}", announced[0]) else None
    return Submission(form, length, _left_alone(headers))


def _left_alone(headers: Headers) -> str:
    content_type = first(headers, b"content-type")
    kind = content_type.partition(b";")[0].strip().lower()
    if kind != _URLENCODED:
        return "multipart" if kind == b"multipart/form-data" else "content-type"
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in _UTF_8:
        return "charset"
    return "" if set(tokens(headers, b"content-encoding")) <= {b"identity"} else "compressed"
