"""The access log: a line of JSON for each request, once it is answered.

It costs nothing where it is off: only what is answered while it is on is followed and counted.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from kmproxy import redact
from kmproxy.errors import KmproxyError
from kmproxy.messages import Headers, first
from kmproxy.observer import Observer
from kmproxy.proxy.connection import Connection
from kmproxy.proxy.counted import Counted
from kmproxy.proxy.headers import TrustedProxies, client
from kmproxy.visit import Arrival, Departure

_LEFT = 499
"""The status of a request whose client left before it was answered; nginx's number."""


class AccessLogError(KmproxyError):
    """The log can't be written."""


class Line:
    """What is known of a request by now."""

    __slots__ = ("arrival", "arrived_at", "began_at", "departed_at", "leaving", "time")

    def __init__(self) -> None:
        self.time = time.time()
        self.began_at = time.perf_counter()
        self.arrival: Arrival | None = None
        self.arrived_at = self.departed_at = 0.0
        self.leaving: Headers = ()


_line: ContextVar[Line] = ContextVar("line")
"""That of the request which this task answers."""


class AccessLog(Observer):
    """An observer that notes who asked for what, and where that is written: see ``server.access_log``."""

    def __init__(self, path: str, trusted: TrustedProxies) -> None:
        """Raises AccessLogError."""
        self._trusted = trusted
        self._file = _opened(path)

    def reopen(self, path: str, trusted: TrustedProxies) -> None:
        """Go on in another file, or in a new one where the old one was moved away. Raises AccessLogError."""
        file = _opened(path)
        self.close()
        self._file, self._trusted = file, trusted

    def close(self) -> None:
        os.close(self._file)

    async def follow(self, connection: Connection, message: Any, answering: Awaitable[bool]) -> bool:
        """Answer a request, and note what came of it; where it goes is the log's at its end."""
        line = Line()
        _line.set(line)
        peer, transport = connection.peer, connection.transport
        counted = Counted(transport)
        if transport is not None:
            connection.transport = counted
        try:
            return await answering
        finally:
            if connection.transport is counted:
                connection.transport = transport
            self._write(line, message, peer, counted.status, counted.sent)

    def _write(self, line: Line, message: Any, peer: str, status: int, sent: int) -> None:
        """One write, so that the lines of several processes stay whole; one that fails is lost."""
        data = json.dumps(self._fields(line, message, peer, status, sent), ensure_ascii=False)
        with suppress(OSError):  # a full disk must cost nobody a page
            os.write(self._file, data.encode("utf-8", "replace") + b"\n")

    def _fields(self, line: Line, message: Any, peer: str, status: int, sent: int) -> dict[str, object]:
        headers: Headers = getattr(message, "raw_headers", ())
        arrival = line.arrival
        known = redact.identities(arrival, line.leaving) if arrival else set()
        host = arrival.host if arrival else first(headers, b"host").decode("latin-1")
        waited = line.departed_at - line.arrived_at if line.departed_at else None
        target = getattr(message, "path", "").encode("utf-8", "surrogateescape")
        return {
            "time": datetime.fromtimestamp(line.time, UTC).isoformat(timespec="milliseconds"),
            "client": redact.text(client(headers, peer, self._trusted)),
            "method": redact.text(getattr(message, "method", ""), known),
            "host": redact.text(host, known),
            "path": redact.url(target, known),
            "referer": redact.url(first(headers, b"referer"), known),
            "status": status or _LEFT,
            "bytes": sent,
            "duration": round(time.perf_counter() - line.began_at, 4),
            "upstream_time": None if waited is None else round(waited, 4),
            "site": arrival.domain.site.name if arrival else "",
        }

    def arrived(self, arrival: Arrival) -> None:
        if line := _line.get(None):
            line.arrival, line.arrived_at = arrival, time.perf_counter()

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        if line := _line.get(None):
            line.leaving, line.departed_at = departure.headers, time.perf_counter()


def _opened(path: str) -> int:
    if path == "-":
        return os.dup(1)
    try:
        return os.open(path or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise AccessLogError(f"{path}: can't be written: {error.strerror}") from error
