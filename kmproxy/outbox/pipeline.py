"""GET requests one behind the other on one kept connection, none waiting for the answer to the last.

The answers come in the order of the requests (RFC 9112 §9.3.2). What is unanswered when a connection
ends may be asked again: the calls that go this way are harmless to repeat.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from functools import cache

from kmproxy.outbox.answers import Answer, Answers
from kmproxy.outbox.verdict import Verdict, judge
from kmproxy.tracking import TrackingCall
from kmproxy.version import __version__

_URL = re.compile(r"((https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?)(/[!-~]*)")


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
        if line := await self._kept(place):
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
        if line.reusable(len(answers) - len(calls)):
            self._idle.setdefault(place, []).append(line)
        else:
            line.close()

    async def _kept(self, place: str) -> _Line | None:
        """The connection used last, so that one is enough where one is enough."""
        idle = self._idle.get(place, [])
        while idle:
            line = idle.pop()
            if await line.is_quiet():
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
        self._answers = Answers()

    def reusable(self, surplus: int) -> bool:
        """Whether the next answer will be to the next request: ``surplus`` is of answers nobody asked for."""
        return not (self._answers.last or self._answers.begun or surplus)

    async def is_quiet(self) -> bool:
        """Whether the vendor has neither closed it nor said anything since."""
        try:
            async with asyncio.timeout(0):
                await self._reader.read(1)
        except TimeoutError:
            return True
        except OSError:
            pass
        return False

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
