"""What a client's connection may not do to us: hold it open without sending or taking, or grow without end.

aiohttp has no deadline for a request's head and no bound on its size, nor on a client that reads nothing.
All of it costs a whole request in one piece next to nothing: it is looked at where something is missing.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

from aiohttp import StreamReader, http_parser, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

PARSES_IN_C = http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy
"""Whether aiohttp was built with llhttp, and is allowed to use it."""

WRITE_BUFFER = 32 * 1024
"""Bytes that may wait for a slow visitor before more of the response is made."""

MAX_HEAD = 64 * 1024
"""Bytes of a request's head that may wait for the rest of it, as of an upstream's."""

LINGER = 2.0
"""Seconds that a client has to read why it is refused."""

_FAULTS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
}

_FULL_TEXT = b"Too many visitors at once. Please try again.\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%b"
) % (len(_FULL_TEXT), _FULL_TEXT)


class GuardedServer(web.Server):
    """What all connections share.

    ``client_timeout`` is in seconds; of ``max_connections``, 0 means any number.
    """

    def __init__(
        self, handler: Any, *, client_timeout: float, max_connections: int = 0, **options: Any
    ) -> None:
        super().__init__(handler, **options)
        self.client_timeout = client_timeout
        self.max_connections = max_connections

    @property
    def is_full(self) -> bool:
        """Whether one more connection would be too many."""
        return 0 < self.max_connections <= len(self._connections)


class Guarded(RequestHandler):
    """aiohttp's end of a connection, with bounds."""

    __slots__ = ("_late", "_listener", "_partial", "_unsent", "_watch", "body")

    def __init__(self, listener: GuardedServer, **options: Any) -> None:
        super().__init__(listener, **options)
        self._listener = listener
        self.body: StreamReader = EMPTY_PAYLOAD
        """That of the request being answered."""
        self._partial = 0
        """Bytes of a head that has not come whole."""
        self._late: asyncio.Handle | None = None
        self._unsent = sys.maxsize
        """Bytes that had not left when it was last looked at; more than can be, if some have left since."""
        self._watch: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have its methods, but are no asyncio.Transport.
        both_ways = cast(asyncio.Transport, transport)
        if self._listener.is_full:
            self._turn_away(both_ways)
            return
        super().connection_made(transport)
        both_ways.set_write_buffer_limits(high=WRITE_BUFFER)

    def _turn_away(self, transport: asyncio.Transport) -> None:
        BaseProtocol.connection_made(self, transport)
        transport.write(_FULL)
        self.hear_no_more()
        self._loop.call_later(LINGER, transport.abort)

    def hear_no_more(self) -> None:
        """What still comes is dropped: to close now would take away the answer that the client is to read."""
        self._close = True
        self.say_no_more()

    def say_no_more(self) -> None:
        """Tell the client that nothing follows, so that it closes."""
        transport = self.transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or more than one."""
        # Looked at first: what ends a body, or belongs to it, is no beginning of a head.
        was_over = self.body.is_eof()
        try:
            super().data_received(data)
        except ValueError:  # The parser in Python lets out what int() raises.
            self._queue_fault(400)
        if self._messages:
            if self._partial:
                self._end_partial()
            if self._waiter is None:
                self._break_body()
        elif data and was_over and not (self._upgraded or self._close):
            self._await_rest_of_head(len(data))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing is to be waited for any more."""
        super().connection_lost(exc)
        self._end_partial()
        if self._watch is not None:
            self._watch.cancel()

    def _break_body(self) -> None:
        """Tell the body's reader of an error within it: aiohttp only queues that like a request."""
        last, _ = self._messages[-1]
        if isinstance(last, _ErrInfo) and not self.body.is_eof() and self.body.exception() is None:
            self.body.set_exception(web.RequestPayloadError("broken"))

    def _await_rest_of_head(self, size: int) -> None:
        if self._late is None:
            self._late = self._loop.call_later(self._listener.client_timeout, self._queue_fault, 408)
        self._partial += size
        if self._partial > MAX_HEAD:
            self._queue_fault(431)

    def _end_partial(self) -> None:
        self._partial = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _queue_fault(self, status: int) -> None:
        """The next thing to answer is that."""
        self._end_partial()
        self._messages.append((_ErrInfo(status, BadHttpMessage(""), ""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def pause_writing(self) -> None:
        """The client is slower than we are."""
        super().pause_writing()
        self.watch_unsent()

    def resume_writing(self) -> None:
        """The client has taken something."""
        super().resume_writing()
        self._unsent = sys.maxsize

    def watch_unsent(self) -> None:
        """Give up on a client that takes nothing at all for the time it has."""
        if self._watch is None and self.transport is not None and self.transport.get_write_buffer_size():
            self._unsent = sys.maxsize
            self._look_again(self.transport)

    def _look_again(self, transport: asyncio.Transport) -> None:
        self._watch = self._loop.call_later(self._listener.client_timeout, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        self._watch = None
        left, before = transport.get_write_buffer_size(), self._unsent
        self._unsent = left
        if left >= before:
            transport.abort()
        elif left:
            self._look_again(transport)

    def _process_keepalive(self) -> None:
        self.watch_unsent()
        super()._process_keepalive()

    def answer_to(self, fault: _ErrInfo) -> tuple[int, bytes]:
        """Status and reason for what is no request; they don't say what was wrong, but for a limit."""
        status = self._status_of(fault)
        return status, _FAULTS[status]

    def _status_of(self, fault: _ErrInfo) -> int:
        if isinstance(fault.exc, LineTooLong):
            # The parser in Python takes a field that has not come whole for a request line.
            is_field = fault.exc.args[1] != self.max_line_size or getattr(self._parser, "_lines", ())
            return 431 if is_field else 414
        return 431 if fault.message == "Too many headers received" else fault.status
