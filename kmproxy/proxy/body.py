"""The body of a request on its way in: as it comes, within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import PayloadEncodingError

from kmproxy.errors import KmproxyError
from kmproxy.forms.submission import Submission
from kmproxy.messages import first
from kmproxy.proxy.incoming import Incoming


class Bounds(NamedTuple):
    """What a client may ask of us with a request's body."""

    most: int
    """Bytes; 0 is no limit."""

    timeout: float
    """Seconds without a byte."""


class BodyError(KmproxyError):
    """The body can't be had whole; ``status`` is the client's answer, if there is none yet."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def admit(message: Incoming, bounds: Bounds) -> None:
    """Raise BodyError of a body that says itself that it is too large."""
    if bounds.most and int(first(message.headers, b"content-length") or 0) > bounds.most:
        raise BodyError(413)


async def body(message: Incoming, bounds: Bounds, form: Submission | None) -> AsyncIterator[bytes]:
    """The body as it comes, and ``form`` what it sees of it. Raises BodyError.

    A client that waits to be asked for it is asked now. One of HTTP/1.0 is not: it would take that for the
    answer (RFC 9110 §10.1.1).
    """
    if first(message.headers, b"expect").lower() == b"100-continue" and message.version == HttpVersion11:
        message.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    size = 0
    while data := await _more(message, bounds.timeout):
        size += len(data)
        if bounds.most and size > bounds.most:
            raise BodyError(413)
        if form is not None:
            form.take(data)
        yield data
    if form is not None:
        form.end()


async def _more(message: Incoming, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await message.body.readany()
    except TimeoutError:
        raise BodyError(408) from None
    except (web.RequestPayloadError, PayloadEncodingError):
        raise BodyError(400) from None
