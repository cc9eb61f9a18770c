"""What the supervisor and a worker say to each other: JSON, a line a message, on a pair of sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, NamedTuple

from kmproxy.config import Config
from kmproxy.proxy.sockets import Listening

_LONGEST = 1 << 24
"""Bytes of a message; a configuration is the longest."""


class Control:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def on(cls, one: socket.socket) -> Control:
        """That of a connected socket, which is closed with it."""
        return cls(*await asyncio.open_unix_connection(sock=one, limit=_LONGEST))

    def send(self, what: str, **more: Any) -> None:
        """``what`` is to be done, or has been. Nothing happens where the other end is gone."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"what": what, **more}).encode() + b"\n")

    async def receive(self) -> dict[str, Any]:
        """The next message; ``{"what": ""}`` when the other end is gone."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            line = b""
        found: dict[str, Any] = json.loads(line) if line else {"what": ""}
        return found

    def close(self) -> None:
        self._writer.close()


class Start(NamedTuple):
    """All that a worker has to know."""

    place: int
    """Its number among the workers, from 0; one that replaces another has the same."""

    counters: str
    """The folder where all count."""

    config: Config
    listening: tuple[Listening, ...]

    def message(self) -> dict[str, Any]:
        """In JSON; sockets are their numbers, which the worker must have inherited."""
        listening = [(one.address, [s.fileno() for s in one.sockets]) for one in self.listening]
        config = self.config.model_dump(mode="json")
        return {"place": self.place, "counters": self.counters, "config": config, "listening": listening}

    @classmethod
    def of(cls, message: dict[str, Any]) -> Start:
        """Of such a message, in the worker."""
        listening = tuple(
            Listening(address, tuple(socket.socket(fileno=number) for number in numbers))
            for address, numbers in message["listening"]
        )
        config = Config.model_validate(message["config"])
        return cls(message["place"], message["counters"], config, listening)
