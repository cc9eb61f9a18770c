"""A connection that has switched to another protocol (RFC 9110 §7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmproxy.upstream.exchange import Exchange
from kmproxy.upstream.message import ResponseHead

if TYPE_CHECKING:
    from kmproxy.upstream.connection import Connection


class Tunnel(Exchange):
    """``read`` gives what the upstream says, as long as it speaks, with no timeout; ``write`` talks back.

    Either side may end first; the connection ends with both, or with ``close()``.
    """

    __slots__ = ("_outlet",)

    def __init__(self, head: ResponseHead, connection: Connection) -> None:
        super().__init__(head, connection)
        self._outlet = connection

    async def write(self, data: bytes) -> None:
        """Send ``data``; return when the upstream has taken enough of it. Raises Disconnected."""
        await self._outlet.write(data)

    def write_nowait(self, data: bytes) -> None:
        """Send a last word, if that still can be."""
        self._outlet.write_nowait(data)

    def write_eof(self) -> None:
        """Nothing more will be written."""
        self._outlet.write_eof()

    def close(self) -> None:
        self._outlet.abort()
