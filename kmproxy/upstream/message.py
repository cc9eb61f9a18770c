"""The heads of requests and responses, in the bytes that travel."""

from __future__ import annotations

from typing import NamedTuple

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
    head = b"\r\n".join([start, *map(b": ".join, headers), b"", b""])
    ends = len(headers) + 2
    # Counting what we joined with is one pass in C; a look at each part would be two dozen.
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head or start.count(b" ") != 2:
        raise ValueError("a part of the request head holds CR, LF, NUL or a stray space")
    return head
