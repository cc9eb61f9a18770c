"""WebSockets and whatever else a request upgrades to (RFC 9110 §7.8): bytes both ways, none of them read."""

from __future__ import annotations

import asyncio
from functools import partial

from aiohttp import HttpVersion11, StreamReader

from kmproxy.messages import Headers, values
from kmproxy.proxy.frames import GOING_AWAY, GOING_AWAY_MASKED, Frames
from kmproxy.proxy.incoming import Incoming
from kmproxy.proxy.outgoing import Outgoing
from kmproxy.upstream import HIGH_WATER, Tunnel, UpstreamError

_CARRIES_HTTP = (b"h2c", b"http/", b"tls/")
"""Protocols that would carry the site's requests past the engine; their offer is not passed on."""


def offered(message: Incoming) -> bytes:
    """What a request offers to switch to and may, as its Upgrade field says it; or ``b""``.

    One with a body is answered as if it had not offered, as any may be: the body would have to end first.
    """
    if (
        not message.upgrade
        or message.has_body
        or message.method == "HEAD"
        or message.version != HttpVersion11
    ):
        return b""
    said = b",".join(values(message.headers, b"upgrade")).split(b",")
    names = [name for part in said if (name := part.strip())]
    return b", ".join(name for name in names if not name.lower().startswith(_CARRIES_HTTP))


class Switching(Outgoing):
    """A 101: all that is written after it is the new protocol's."""

    __slots__ = ("_chosen",)

    def __init__(self, reason: bytes, headers: Headers, chosen: bytes) -> None:
        super().__init__(101, reason, headers)
        self._chosen = chosen

    @property
    def is_websocket(self) -> bool:
        return self._chosen.lower() == b"websocket"

    def _framing(self, request: Incoming) -> Headers:
        self.keep_alive = False
        self.is_close_delimited = True
        return ()

    def _connection_fields(self, request: Incoming) -> Headers:
        return ((b"Connection", b"upgrade"), (b"Upgrade", self._chosen))


async def pipe(message: Incoming, tunnel: Tunnel, response: Switching) -> None:
    """Carry bytes until both sides have ended, or one of them breaks: the other then breaks off, too.

    When the server stops, a WebSocket is closed in the name of either side.
    """
    response.begin(message)
    response.send_head()
    tunnel.keep(HIGH_WATER)
    source = message.connection.switch()
    up, down = (Frames(), Frames()) if response.is_websocket else (None, None)
    message.connection.farewell = partial(_say_goodbye, message, tunnel, up, down)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_up(source, tunnel, message, up))
            both.create_task(_down(tunnel, response, message, down))
    except* (OSError, UpstreamError):
        response.break_off()


def _say_goodbye(message: Incoming, tunnel: Tunnel, up: Frames | None, down: Frames | None) -> None:
    """Within a frame it would be taken for a part of that, so there the end of the connection must do."""
    if down is not None and down.are_whole:
        message.connection.write(GOING_AWAY)
    if up is not None and up.are_whole:
        tunnel.write_nowait(GOING_AWAY_MASKED)


async def _up(source: StreamReader, tunnel: Tunnel, message: Incoming, frames: Frames | None) -> None:
    while data := await source.readany():
        if frames is not None:
            frames.see(data)
        await tunnel.write(data)
    message.connection.farewell = None
    tunnel.write_eof()


async def _down(tunnel: Tunnel, response: Switching, message: Incoming, frames: Frames | None) -> None:
    while data := await tunnel.read():
        if frames is not None:
            frames.see(data)
        await response.write(data)
    message.connection.farewell = None
    message.connection.write_eof()
