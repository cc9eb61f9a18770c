"""A visitor's connection that may switch to another protocol (RFC 9110 §7.8).

aiohttp knows of WebSockets only. What stands behind any other offer in the same read its parser in C drops,
and the one in Python takes for HTTP, as both do with what comes later. So that is seen to here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import StreamReader
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.http_parser import HttpRequestParserPy, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

from kmproxy.proxy.guarded import Guarded

_SOURCE = 1 << 16
"""Half the bytes of a pipe that may wait for a slow upstream."""


class ParserInPython(HttpRequestParserPy):
    """aiohttp's, which takes any offer to switch for one, and leaves what stands behind it alone."""

    def parse_message(self, lines: list[bytes]) -> RawRequestMessage:
        message = super().parse_message(lines)
        if message.upgrade and not message.chunked and message.headers.get(CONTENT_LENGTH, "0") == "0":
            self._upgraded = True
        return message


class Switchable(Guarded):
    """Holds back what follows an offer to switch until ``switch`` or ``go_on_without_upgrade`` is called."""

    __slots__ = ("_source", "farewell")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if isinstance(self._parser, HttpRequestParserPy):
            self._parser.__class__ = ParserInPython  # aiohttp can't be told which to make.
        self._source: StreamReader | None = None
        """What takes the bytes that come, once they are no HTTP."""
        self.farewell: Callable[[], None] | None = None
        """What is to be said before the server ends a connection that has switched."""

    @property
    def may_switch(self) -> bool:
        """Whether what follows the latest request has been held back; where it is not, it may be lost."""
        return self._upgraded and not self._messages

    def switch(self) -> StreamReader:
        """After 101: what the client sends from now on, and what it has sent ahead."""
        self._upgraded = True
        self._source = source = StreamReader(self, _SOURCE, loop=self._loop)
        ahead, self._message_tail = self._message_tail, b""
        if ahead:
            source.feed_data(ahead)
        if self._buffer_paused:
            self._resume_reading_if_drained()
        return source

    def data_received(self, data: bytes) -> None:
        if self._source is not None:
            self._source.feed_data(data)
            return
        before = self._request_count
        super().data_received(data)
        if self._request_count != before and not self._upgraded:
            self._look_behind(data)

    # aiohttp types it None; asyncio asks for a truth.
    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the transport stays open, for what is still to be written: of use in a pipe only."""
        if self._source is None or self.transport is None:
            return False
        self._source.feed_eof()
        return self.transport.can_write_eof()

    def force_close(self) -> None:
        farewell, self.farewell = self.farewell, None
        if farewell is not None and self.transport is not None and not self.transport.is_closing():
            farewell()
        super().force_close()

    def _look_behind(self, data: bytes) -> None:
        """Hold back what follows an offer to switch; where more was under way, its place is not known."""
        message, body = self._messages[-1]
        if not getattr(message, "upgrade", False) or body is not EMPTY_PAYLOAD:
            return
        if isinstance(self._parser, ParserInPython):
            return  # It has seen to that by itself.
        if len(self._messages) == 1 and not self._request_in_progress:
            ahead = _behind(data)
            self._upgraded = ahead is not None
            self._message_tail = ahead or b""

    def go_on_without_upgrade(self) -> None:
        """What came behind a request to upgrade that was answered otherwise is the next request."""
        self._upgraded = False
        tail, self._message_tail = self._message_tail, b""
        if self._parser is None:
            return
        self._parser.set_upgraded(False)
        if tail:
            self.data_received(tail)
        if self._buffer_paused:
            self._resume_reading_if_drained()

    def write_eof(self) -> None:
        """Nothing more will be written; where the transport can't say that (TLS), it ends."""
        if self.transport is None:
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


def _behind(data: bytes) -> bytes | None:
    """What follows the head that ends in ``data``; None where its end was cut so that this can't be told."""
    if data.startswith((b"\r\n", b"\n")):
        return b"" if data in (b"\n", b"\r\n", b"\n\r\n") else None
    return data.partition(b"\r\n\r\n")[2]
