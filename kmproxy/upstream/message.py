"""The heads of requests and responses, in the bytes that travel."""

from __future__ import annotations

from typing import NamedTuple

from kmproxy.head import head
from kmproxy.messages import Headers


class ResponseHead(NamedTuple):
    """The status line and the header fields of a final response (never 1xx).

    ``reason`` may be empty or hold any byte but CR and LF; ``version`` is ``1.0`` or ``1.1``.
    """

    status: int
    reason: bytes
    headers: Headers
    version: str


def request_head(method: bytes, target: bytes, headers: Headers) -> bytes:
    """The head of an HTTP/1.1 request, every part as given, the empty line included.

    Raises ValueError if a part could be read as more than that part: CR, LF or NUL anywhere (RFC 9110 §5.5),
    a space in the method or the target (RFC 9112 §3).
    """
    start = b"%b %b HTTP/1.1" % (method, target)
    if start.count(b" ") != 2:
        raise ValueError("the method or the target holds a space")
    return head(start, headers)
