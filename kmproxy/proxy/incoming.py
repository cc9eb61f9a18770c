"""A request as it came in on a visitor's connection, before anything is asked of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, StreamReader
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EmptyStreamReader

from kmproxy.head import head as head_of
from kmproxy.identity.word import HEADERS as WORDS
from kmproxy.messages import names, tokens, without
from kmproxy.proxy.headers import end_to_end
from kmproxy.upstream import ResponseHead

if TYPE_CHECKING:
    from kmproxy.proxy.connection import Connection


class Incoming:
    """What aiohttp's parser read: ``headers`` and ``target`` in the bytes that came."""

    __slots__ = (
        *("body", "connection", "has_begun", "headers", "keep_alive", "method", "target", "upgrade"),
        "version",
    )

    def __init__(self, message: RawRequestMessage, body: StreamReader, connection: Connection) -> None:
        self.method = message.method
        self.version = message.version
        self.headers = message.raw_headers
        self.target = message.path.encode("utf-8", "surrogateescape")
        self.keep_alive = not message.should_close
        self.upgrade = message.upgrade
        """Whether to switch to another protocol is offered, and may be."""
        self.body = body
        self.connection = connection
        self.has_begun = False
        """Whether any byte of an answer has left."""

    @property
    def has_body(self) -> bool:
        """Whether there is a body, be it of no bytes."""
        return type(self.body) is not EmptyStreamReader

    @property
    def takes_trailers(self) -> bool:
        """Whether fields behind the body are of use to the client (RFC 9110 §10.1.4)."""
        if b"te" not in names(self.headers).places:
            return False
        return b"trailers" in tokens(self.headers, b"te") and self.version == HttpVersion11

    def tell(self, head: ResponseHead) -> None:
        """Pass on what the upstream says ahead of its response (1xx), to who knows of such."""
        if self.version == HttpVersion11:
            fields = without(end_to_end(head.headers), WORDS)
            self.connection.write(head_of(b"HTTP/1.1 %d %b" % (head.status, head.reason), fields))
