"""GET requests one behind the other on one kept connection, none waiting for the answer to the last.

The answers come in the order of the requests (RFC 9112 §9.3.2). What is unanswered when a connection
ends may be asked again: the calls that go this way are harmless to repeat.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import httptools

from kmproxy.outbox.verdict import Verdict, judge, seconds_to_wait
from kmproxy.tracking import TrackingCall
from kmproxy.version import __version__

_URL = re.compile(r"((https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?)(/[!-~]*)")

_KEPT_BODY = 2000
"""Bytes of an answer's body that are looked at."""

_MOST_BODY = 1024 * 1024
"""Bytes of a body that are read; then the connection is given up, for the status is known."""


class Answer(NamedTuple):
    """What a vendor said to one request; ``retry_after`` in seconds."""

    status: int
    body: bytes
    retry_after: float


def origin(call: TrackingCall) -> str | None:
    """The origin of a call that may go in a line with others, or None."""
    url = _URL.fullmatch(call.url)
    plain = call.method == "GET" and not call.headers and not call.body
    return url[1] if url and plain else None


class Pipelines:
    """The kept connections, of each origin as many as are used at once."""

    def __init__(self, timeout: float) -> None:
        """``timeout``: seconds for a whole line of calls, the opening of its connection included."""
        self._timeout = timeout
        self._idle: dict[str, list[_Line]] = {}

    async def send(self, calls: Sequence[TrackingCall]) -> list[Verdict]:
        """Send ``calls``, which have one ``origin``; the verdict on each, ``unclear`` on those behind
        one that was not answered. Whatever goes wrong is a reason to try again, never an exception."""
        answers: list[Answer] = []
        try:
            async with asyncio.timeout(self._timeout):
                await self._ask(calls, answers)
        except Exception as error:  # the name only: an exception's text may quote the URL
            missing = _unanswered(type(error).__name__, len(calls) - len(answers), error)
        else:
            missing = []
        return [judge(call.provider, *answer) for call, answer in zip(calls, answers, strict=False)] + missing

    async def close(self) -> None:
        for idle in self._idle.values():
            for line in idle:
                line.close()
        self._idle.clear()
        await asyncio.sleep(0)  # what was aborted is closed by the event loop

    async def _ask(self, calls: Sequence[TrackingCall], answers: list[Answer]) -> None:
        """Fill ``answers``; raises where one does not come."""
        place = origin(calls[0]) or ""
        if line := self._kept(place):
            try:
                await self._over(line, place, calls, answers)
            except ConnectionError:
                if answers:
                    raise  # else it was closed just as we began, as servers do with idle ones
            else:
                return
        try:
            line = await _open(place)
        except OSError as error:
            raise _UnreachableError from error
        await self._over(line, place, calls, answers)

    async def _over(
        self, line: _Line, place: str, calls: Sequence[TrackingCall], answers: list[Answer]
    ) -> None:
        try:
            await line.ask([_request(call) for call in calls], answers)
        except BaseException:
            line.close()
            raise
        if line.reusable:
            self._idle.setdefault(place, []).append(line)
        else:
            line.close()

    def _kept(self, place: str) -> _Line | None:
        """The connection used last, so that one is enough where one is enough."""
        idle = self._idle.get(place, [])
        while idle:
            line = idle.pop()
            if line.reusable:
                return line
            line.close()
        return None


class _UnreachableError(Exception):
    """Nobody was asked anything."""


def _unanswered(reason: str, count: int, error: Exception) -> list[Verdict]:
    """The first of them may be why the others have no answer, unless there was no connection at all."""
    if isinstance(error, _UnreachableError):
        return [Verdict("retry", type(error.__cause__).__name__)] * count
    at_fault = Verdict("unclear" if isinstance(error, ConnectionEndedError) else "retry", reason)
    return [at_fault, *[Verdict("unclear", reason)] * (count - 1)][:count]


class ConnectionEndedError(ConnectionError):
    """The vendor said that it would answer no more on this connection."""


class _Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._answers = _Answers()

    @property
    def reusable(self) -> bool:
        return not (self._answers.last or self._reader.at_eof() or self._writer.is_closing())

    async def ask(self, requests: Sequence[bytes], answers: list[Answer]) -> None:
        """All ``requests`` at once; raises ConnectionError where an answer can't come any more."""
        self._answers.come = answers
        self._writer.write(b"".join(requests))
        while len(answers) < len(requests):
            if self._answers.last:
                raise ConnectionEndedError
            if data := await self._reader.read(1 << 16):
                self._answers.feed(data)
            elif not self._answers.ends():
                raise ConnectionResetError

    def close(self) -> None:
        self._writer.transport.abort()


class _Answers:
    """Answers out of bytes; ``come`` grows."""

    def __init__(self) -> None:
        self.come: list[Answer] = []
        self.last = False
        """No other answer will come on this connection."""
        self._llhttp = httptools.HttpResponseParser(self)
        self.on_message_begin()

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

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._status, self._size, self._body = 0, 0, b""
        self._retry_after: str | None = None
        self._until_close = True

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
        if self._status >= 200 and not self.last:  # those before are not the answer yet
            self.last = not self._llhttp.should_keep_alive()
            self._come()
            self._status = 0


async def _open(place: str) -> _Line:
    url = _URL.fullmatch(place + "/")
    if url is None:
        raise ValueError("no URL")
    secure, host = url[2] == "https", url[3].strip("[]")
    port = int(url[4] or (443 if secure else 80))
    return _Line(*await asyncio.open_connection(host, port, ssl=_tls() if secure else None))


@cache
def _tls() -> ssl.SSLContext:
    """Made once: to read the system's certificates takes tens of milliseconds."""
    return ssl.create_default_context()


def _request(call: TrackingCall) -> bytes:
    url = _URL.fullmatch(call.url)
    if url is None:
        raise ValueError("no URL")
    host = call.url[len(url[2]) + 3 : url.start(5)]
    return f"GET {url[5]} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: kmproxy/{__version__}\r\n\r\n".encode()
