"""TLS to an upstream. Certificates are always verified; there is no way to switch that off."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from kmproxy.upstream.connection import Connection
from kmproxy.upstream.errors import Disconnected


def client_context(ca: str = "") -> ssl.SSLContext:
    """What verifies upstreams: against the system's authorities, or only those of the PEM file ``ca``.

    Raises OSError (an SSLError, if the file holds no certificate). Costs some ten milliseconds.
    """
    context = ssl.create_default_context(cafile=ca or None)
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsConnection(Connection):
    """A connection whose end counts only if the upstream itself has said it (RFC 9112 §9.8)."""

    def eof_received(self) -> bool:
        if _was_said(self._transport):
            return super().eof_received()
        self._fail(Disconnected("the connection ended without TLS's close_notify"))
        return False


def _was_said(transport: asyncio.Transport) -> bool:
    # asyncio calls eof_received for a mere FIN too, which anybody on the way can send. After a
    # close_notify there is nothing to read for good; otherwise more could come.
    session: Any = transport.get_extra_info("ssl_object")
    try:
        return not session.read(1)
    except ssl.SSLError:
        return False
