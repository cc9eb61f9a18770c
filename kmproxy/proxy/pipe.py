"""WebSockets and whatever else a request upgrades to (RFC 9110 §7.8): bytes both ways, none of them read."""

from __future__ import annotations

import asyncio

from aiohttp import HttpVersion11, StreamReader

from kmproxy.messages import Headers, values
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

    def _framing(self, request: Incoming) -> Headers:
        self.keep_alive = False
        self.is_close_delimited = True
        return ()

    def _connection_fields(self, request: Incoming) -> Headers:
        return ((b"Connection", b"upgrade"), (b"Upgrade", self._chosen))


async def pipe(message: Incoming, tunnel: Tunnel, response: Switching) -> None:
    """Carry bytes until both sides have ended, or one of them breaks: the other then breaks off, too."""
    response.begin(message)
    response.send_head()
    tunnel.keep(HIGH_WATER)
    source = message.connection.switch()
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_up(source, tunnel))
            both.create_task(_down(tunnel, response, message))
    except* (OSError, UpstreamError):
        response.break_off()


async def _up(source: StreamReader, tunnel: Tunnel) -> None:
    while data := await source.readany():
        await tunnel.write(data)
    tunnel.write_eof()


async def _down(tunnel: Tunnel, response: Switching, message: Incoming) -> None:
    while data := await tunnel.read():
        await response.write(data)
    message.connection.write_eof()
