"""A response on its way out, in the bytes it was given.

aiohttp's own would re-encode header values (dropping bytes that are not UTF-8), add a Content-Type,
a Date and a Server, and take a third of what passing a page on costs.
"""

from __future__ import annotations

from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from aiohttp import HttpVersion10, HttpVersion11

from kmproxy.head import head
from kmproxy.messages import Headers, names, without
from kmproxy.proxy.incoming import Incoming

_NO_BODY = frozenset({204, 304})

_LENGTH = frozenset({b"content-length"})
"""Never in a 204 (RFC 9110 §8.6)."""


class Outgoing:
    """Status, reason and headers as given, which are end-to-end ones; all that is of the hop is added."""

    __slots__ = (
        *("_body", "_chunked", "_has_no_body", "_head", "_headers", "_reason", "_request", "_whole"),
        *("is_close_delimited", "keep_alive", "status"),
    )

    def __init__(self, status: int, reason: bytes, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self._reason = reason
        self._headers = headers
        self._body = body
        self._whole = False
        self._request: Incoming | None = None
        self._head = b""
        """What is made of it and has not left."""
        self._chunked = False
        self._has_no_body = False
        self.keep_alive = False
        """Whether another response may follow on the connection, once this one has begun."""
        self.is_close_delimited = False
        """Whether only the end of the connection tells the client that the body ended."""

    @property
    def has_begun(self) -> bool:
        """Whether the head is made: framing and length are settled."""
        return self._request is not None

    def begin(self, request: Incoming) -> None:
        """Make the head; it leaves with the first bytes of the body. Raises ValueError; harmless twice."""
        if self._request is not None:
            return
        self.keep_alive = request.keep_alive and not request.connection.is_ending
        self._has_no_body = request.method == "HEAD" or self.status in _NO_BODY
        told = self._headers if self.status != 204 else without(self._headers, _LENGTH)
        fields = (*told, *self._framing(request), *self._connection_fields(request))
        version = b"1.0" if request.version == HttpVersion10 else b"1.1"
        self._head = head(b"HTTP/%b %d %b" % (version, self.status, self._reason), fields)
        self._request = request

    def _framing(self, request: Incoming) -> Headers:
        """RFC 9112 §6: the length if it is known, chunks, or the end of the connection."""
        if self._has_no_body:
            return ()
        if self._whole:
            return ((b"Content-Length", b"%d" % len(self._body)),)
        if b"content-length" in names(self._headers).places:
            return ()
        if request.version >= HttpVersion11:
            self._chunked = True
            return ((b"Transfer-Encoding", b"chunked"),)
        self.keep_alive = False
        self.is_close_delimited = True
        return ()

    def _connection_fields(self, request: Incoming) -> Headers:
        if request.version >= HttpVersion11:
            return () if self.keep_alive else ((b"Connection", b"close"),)
        return ((b"Connection", b"keep-alive"),) if self.keep_alive else ()

    def set_whole(self, body: bytes) -> None:
        """The whole body, before the head is made: its length is said and one write does."""
        self._whole = True
        self._body = body

    def send_head(self) -> None:
        """Let the head out now, for the body is not here yet."""
        if self._head:
            self._send(b"")

    async def write(self, data: bytes) -> None:
        """The next piece of the body. Raises ConnectionError once the client is gone."""
        if not data or self._has_no_body:
            return
        self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        assert self._request is not None  # noqa: S101 - begin has set it
        await self._request.connection.drained()

    def trail(self, fields: Headers) -> None:
        """Have ``fields`` come behind the body, where it leaves in chunks. Raises ValueError."""
        if self._chunked:
            self._body = head(b"0", fields)

    async def end(self) -> None:
        """The end of the body, or all of a whole one. Raises ConnectionError once the client is gone."""
        body = b"" if self._has_no_body else self._body
        if self._chunked:
            body = self._body or b"0\r\n\r\n"
        if self._head or body:
            self._send(body)

    def _send(self, data: bytes) -> None:
        assert self._request is not None  # noqa: S101 - begin has set it
        transport = self._request.connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionError("the client is gone")
        head, self._head = self._head, b""
        self._request.has_begun = True
        transport.write(head + data)

    def break_off(self) -> None:
        """End the connection so that the body can't pass for a whole one."""
        self.keep_alive = False
        transport = self._request.connection.transport if self._request else None
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
