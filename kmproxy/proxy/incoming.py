"""A request as it came in on a visitor's connection, before anything is asked of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import StreamReader
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EmptyStreamReader

if TYPE_CHECKING:
    from kmproxy.proxy.connection import Connection


class Incoming:
    """What aiohttp's parser read: ``headers`` and ``target`` in the bytes that came."""

    __slots__ = ("body", "connection", "has_begun", "headers", "keep_alive", "method", "target", "version")

    def __init__(self, message: RawRequestMessage, body: StreamReader, connection: Connection) -> None:
        self.method = message.method
        self.version = message.version
        self.headers = message.raw_headers
        self.target = message.path.encode("utf-8", "surrogateescape")
        self.keep_alive = not message.should_close
        self.body = body
        self.connection = connection
        self.has_begun = False
        """Whether any byte of an answer has left."""

    @property
    def has_body(self) -> bool:
        """Whether there is a body, be it of no bytes."""
        return type(self.body) is not EmptyStreamReader
