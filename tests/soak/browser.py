"""A visitor's browser: cookies, and one connection to each domain."""

from __future__ import annotations

import random
from time import monotonic

from . import site
from .connection import Answer, Connection
from .jar import Jar
from .request import PAGE, asking, sending
from .world import World

_REQUESTS = 40
"""On a connection, about; then another: else all would end up with the worker that is never killed."""


class Browser:
    """Of the visitor called ``name``; ``secure`` tells that it speaks TLS."""

    def __init__(self, name: str, world: World, luck: random.Random, *, secure: bool) -> None:
        self.name = name
        self.secure = secure
        self.jars = {site.BLOG: Jar(), site.SHOP: Jar()}
        self._proxy, self._record = world.proxy, world.record
        self._luck = luck
        self._connections: dict[str, Connection] = {}

    async def get(self, host: str, target: str, accept: str = PAGE, **fields: str) -> Answer:
        """What comes; the cookies it sets are kept."""
        return await self._exchange(host, asking(host, target, accept, **self._who(host), **fields))

    async def post(self, host: str, target: str, kind: str, body: bytes, *, chunked: bool = False) -> Answer:
        """Sent once, whatever comes."""
        return await self._exchange(
            host, sending(host, target, kind, body, chunked=chunked, **self._who(host))
        )

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _who(self, host: str) -> dict[str, str]:
        return {"X-Visitor": self.name, "Cookie": self.jars[host].header}

    async def _exchange(self, host: str, request: bytes) -> Answer:
        begun, jar = monotonic(), self.jars[host]
        try:
            answer = await (await self._connected(host)).ask(request)
        except OSError:
            answer = Answer()
        answer.begun = begun
        jar.take(answer.headers)
        if answer.header("connection") == "close":
            self._record.told_to_reconnect += 1
        return answer

    async def _connected(self, host: str) -> Connection:
        connection = self._connections.get(host)
        if connection and not connection.closed and connection.asked < self._luck.gauss(_REQUESTS, 10):
            return connection
        if connection:
            connection.close()
        proxy = self._proxy
        made = Connection.to(proxy.secure, proxy.trust, host) if self.secure else Connection.to(proxy.port)
        self._connections[host] = connection = await made
        return connection
