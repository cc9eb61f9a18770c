"""A response whose head leaves in the bytes it was given.

aiohttp would re-encode header values (dropping bytes that are not UTF-8), and add a
Content-Type, a Date and a Server. This is the one place that reaches into it; the version
is bounded in the package's requirements for that reason.
"""

from __future__ import annotations

from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter

from kmproxy.messages import Headers, values
from kmproxy.proxy.headers import HOP_BY_HOP

_NO_BODY = frozenset({204, 304})


class RawResponse(web.StreamResponse):
    """Status, reason and end-to-end headers as given; framing and other hop-by-hop headers are ours."""

    def __init__(self, status: int, reason: bytes, headers: Headers, body: bytes = b"") -> None:
        super().__init__(status=status)
        self._status_line = b" %d %b" % (status, reason)
        self._lines = headers
        self._content = body
        self._is_whole = False
        self.is_close_delimited = False
        """Whether only the end of the connection tells the client that the body ended."""

    async def _start(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self._req = request
        writer = self._payload_writer = request._payload_writer
        assert isinstance(writer, StreamWriter)  # noqa: S101 - aiohttp's only one
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        kept = [field for field in self._lines if field[0].lower() not in HOP_BY_HOP]
        lines = [*kept, *self._framing(request, writer), *self._connection(request)]
        version = b"HTTP/1.0" if request.version == HttpVersion10 else b"HTTP/1.1"
        head = b"\r\n".join([version + self._status_line, *map(b": ".join, lines), b"", b""])
        ends = len(lines) + 2
        if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
            raise ValueError("a part of the response's head holds CR, LF or NUL (RFC 9110 §5.5)")
        # Kept until the first write, so that a small response is one packet.
        writer._headers_buf = head
        return writer

    def _framing(self, request: web.BaseRequest, writer: StreamWriter) -> Headers:
        """RFC 9112 §6: the length if it is known, chunks, or the end of the connection."""
        if request.method == "HEAD" or self.status in _NO_BODY:
            return ()
        if self._is_whole:
            writer.length = len(self._content)
            return ((b"Content-Length", b"%d" % writer.length),)
        length = values(self._lines, b"content-length")
        if length:
            writer.length = int(length[0])
            return ()
        if request.version >= HttpVersion11:
            writer.enable_chunking()
            return ((b"Transfer-Encoding", b"chunked"),)
        self._keep_alive = False
        self.is_close_delimited = True
        return ()

    def _connection(self, request: web.BaseRequest) -> Headers:
        if request.version >= HttpVersion11:
            return () if self._keep_alive else ((b"Connection", b"close"),)
        return ((b"Connection", b"keep-alive"),) if self._keep_alive else ()

    def set_whole(self, body: bytes) -> None:
        """The whole body, before anything has left: its length is said and one write does."""
        self._is_whole = True
        self._content = body

    def send_head(self) -> None:
        """Let the head out now, for the body is not here yet."""
        if self._payload_writer is not None:
            self._payload_writer.send_headers()

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data or self._content)

    def break_off(self, request: web.BaseRequest) -> None:
        """End the connection so that the body can't pass for a whole one."""
        transport = request.transport
        if transport is None:
            return
        if self.is_close_delimited:
            # A reset: a connection that only ends is what a whole body looks like (RFC 9112 §8).
            connection = transport.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
