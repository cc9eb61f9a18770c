"""The way to the upstream: HTTP/1.1 as a proxy needs it, which is byte for byte.

``Pool.exchange`` sends a request and gives an ``Exchange``: the head of the response, and its body as it
comes. It follows no redirect, keeps no cookie, adds no header, decodes nothing and repeats nothing that may
have had an effect. Only Transfer-Encoding is undone: it belongs to the connection, not to the message. A
request that offers to switch to another protocol may get a ``Tunnel``. There is no TLS and no HTTP/2.
"""

from __future__ import annotations

from kmproxy.messages import Headers
from kmproxy.upstream.address import Address
from kmproxy.upstream.connection import HIGH_WATER
from kmproxy.upstream.deadline import Timeouts
from kmproxy.upstream.errors import (
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    Disconnected,
    FirstByteTimeout,
    IdleTimeout,
    Overloaded,
    TlsFailed,
    Unanswered,
    Unavailable,
    UpstreamError,
)
from kmproxy.upstream.exchange import Exchange
from kmproxy.upstream.health import Health
from kmproxy.upstream.message import ResponseHead
from kmproxy.upstream.parser import Interim
from kmproxy.upstream.pool import Pool
from kmproxy.upstream.probe import Probe
from kmproxy.upstream.tls import client_context
from kmproxy.upstream.tunnel import Tunnel

__all__ = [
    "HIGH_WATER",
    "Address",
    "BadResponse",
    "ConnectFailed",
    "ConnectTimeout",
    "Disconnected",
    "Exchange",
    "FirstByteTimeout",
    "Headers",
    "Health",
    "IdleTimeout",
    "Interim",
    "Overloaded",
    "Pool",
    "Probe",
    "ResponseHead",
    "Timeouts",
    "TlsFailed",
    "Tunnel",
    "Unanswered",
    "Unavailable",
    "UpstreamError",
    "client_context",
]
