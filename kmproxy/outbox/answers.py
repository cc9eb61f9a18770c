"""A vendor's answers to requests that were sent one behind the other, out of bytes."""

from __future__ import annotations

import time
from typing import NamedTuple

import httptools

from kmproxy.outbox.verdict import seconds_to_wait

_KEPT_BODY = 2000
"""Bytes of an answer's body that are looked at."""

_MOST_BODY = 1024 * 1024
"""Bytes of a body that are read; then the connection is given up, for the status is known."""


class Answer(NamedTuple):
    """What a vendor said to one request; ``retry_after`` in seconds."""

    status: int
    body: bytes
    retry_after: float


class Answers:
    """Answers out of bytes; ``come`` grows."""

    def __init__(self) -> None:
        self.come: list[Answer] = []
        self.last = False
        """No other answer will come on this connection."""
        self.begun = False
        """An answer has begun to come, and is not whole."""
        self._llhttp = httptools.HttpResponseParser(self)
        self._forget()

    def feed(self, data: bytes) -> None:
        self._llhttp.feed_data(data)
        if self._size > _MOST_BODY and not self.last:
            self._take()

    def ends(self) -> bool:
        """Whether the connection's end is the end of an answer (RFC 9112 §6.3, case 8)."""
        if self._status >= 200 and self._until_close:
            self._take()
            return True
        return False

    def _take(self) -> None:
        self.last = True
        self._come()

    def _come(self) -> None:
        wait = seconds_to_wait(self._retry_after, time.time())
        self.come.append(Answer(self._status, self._body, wait))

    def _forget(self) -> None:
        self._status, self._size, self._body = 0, 0, b""
        self._retry_after: str | None = None
        self._until_close = True

    # What httptools calls.

    def on_message_begin(self) -> None:
        self.begun = True
        self._forget()

    def on_header(self, name: bytes, value: bytes) -> None:
        low = name.lower()
        if low == b"retry-after":
            self._retry_after = value.decode("latin-1")
        elif low in (b"content-length", b"transfer-encoding"):
            self._until_close = False

    def on_headers_complete(self) -> None:
        self._status = self._llhttp.get_status_code()

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        self._body += piece[: _KEPT_BODY - len(self._body)]

    def on_message_complete(self) -> None:
        self.begun = False
        if self._status >= 200 and not self.last:  # those before are not the answer yet
            self.last = not self._llhttp.should_keep_alive()
            self._come()
            self._status = 0
