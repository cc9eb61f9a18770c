"""What can go wrong on the way to an upstream, and the status a visitor gets for it.

    UpstreamError
    ├── ConnectFailed      502   nobody listens, no such host
    │   └── TlsFailed      502   no TLS is spoken, or the certificate is not to be believed
    ├── ConnectTimeout     504   no connection in time
    ├── FirstByteTimeout   504   a connection, but no response in time
    ├── IdleTimeout        504   a response that stopped within its body
    ├── BadResponse        502   not HTTP/1.x, ambiguous, or beyond a limit
    ├── Disconnected       502   the connection ended before the response did
    │   └── Unanswered     502   ... and before any byte of it; the request may be repeated
    └── Unavailable        503   nobody was asked: all upstreams fail their health check
        └── Overloaded     503   nobody was asked: no connection became free in time

The messages are for the log: they name addresses, so no visitor may see them.
"""

# ruff: noqa: N818  # They say what happened; that they are errors, the tree says.

from __future__ import annotations

from typing import ClassVar

from kmproxy.errors import KmproxyError


class UpstreamError(KmproxyError):
    """The upstream gave no whole response; never raised itself.

    ``status`` is for a visitor who has not been sent a head yet. Once the head is out, the response must be
    broken off instead, so that it cannot pass for a whole one.
    """

    status: ClassVar[int] = 502


class ConnectFailed(UpstreamError):
    """The upstream could not be reached; it has seen nothing of the request, so the next one may be tried."""


class TlsFailed(ConnectFailed):
    """The upstream speaks no TLS, or its certificate is expired, for another name, or nobody's we believe."""


class ConnectTimeout(UpstreamError):
    """No connection within the connect timeout; the next upstream may be tried."""

    status = 504


class FirstByteTimeout(UpstreamError):
    """The request was sent, but no head of a response came within the first-byte timeout."""

    status = 504


class IdleTimeout(UpstreamError):
    """A reader waited for more of the body longer than the idle timeout."""

    status = 504


class BadResponse(UpstreamError):
    """What came is not HTTP/1.x, can be read in two ways, or exceeds a limit."""


class Disconnected(UpstreamError):
    """The connection ended before the response was whole."""


class Unanswered(Disconnected):
    """No byte of a response came, to a safe request without a body: another upstream may be asked."""


class Unavailable(UpstreamError):
    """All upstreams fail their health check, so none was asked."""

    status = 503

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which it may be otherwise."""


class Overloaded(Unavailable):
    """The upstream has as many connections as it may, and none became free in time."""
