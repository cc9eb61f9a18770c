"""The aiohttp door: ``web.Application(middlewares=[middleware("kmproxy.toml")])``.

A response may be written while its handler runs, so the writer beneath it is what is wrapped. This
reaches into aiohttp's request; the version is bounded in the package's requirements for that reason.
"""

from __future__ import annotations

import asyncio

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from kmproxy import current
from kmproxy.config.load import Source
from kmproxy.current import CurrentVisitor
from kmproxy.door import Door, rewritten
from kmproxy.forms.submission import Submission
from kmproxy.messages import Headers, Request, Response, first, without
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.passage import through
from kmproxy.visit import Arrival

VISITOR = web.RequestKey("kmproxy", CurrentVisitor)
"""Where the visitor is left in the request."""

current.KEYS.append(VISITOR)

_PAGES = ("text/html", "application/xhtml+xml")

_READ = (
    *("message", "headers", "raw_headers", "raw_path", "url", "rel_url", "path", "path_qs", "query"),
    *("query_string", "if_match", "if_none_match", "if_range", "if_modified_since", "if_unmodified_since"),
)
"""What a request remembers of its message, once it was asked."""


def middleware(config: Source | None = None) -> Middleware:
    """A middleware for ``web.Application``. ``config``: a path, a mapping or a Config.

    Let it be the first, so that it sees what the others answer. Raises ConfigError with everything
    that is wrong.
    """
    door = Door(config)

    @web.middleware
    async def kmproxy_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await _pass(door, request, handler)

    return kmproxy_middleware


async def _pass(door: Door, request: web.Request, handler: Handler) -> web.StreamResponse:
    door.begin_soon()
    arrival = await through(door.passage.arrive(_request(request)), door.courier.put)
    if arrival is not None and arrival.answer is not None:
        answer = arrival.answer
        return web.Response(status=answer.status, headers=_multidict(answer.headers), body=answer.body)
    request[VISITOR] = visitor = door.visitor(arrival)
    if arrival is None:
        return await handler(request)
    _show(request, arrival)
    request._payload_writer = _Writer(door, arrival, visitor, request)
    if arrival.seen:
        vars(request)["_prepare_hook"] = _prepare_hook
    if arrival.form is not None and arrival.form.is_read and request.body_exists:
        _read_along(request.content, arrival.form)
    return await handler(request)


def _read_along(content: StreamReader, form: Submission) -> None:
    """Give the form what is read of ``content``, by whatever method; others may hold the object already."""

    class Seen(StreamReader):
        __slots__ = ()

        def _read_nowait_chunk(self, n: int) -> bytes:
            data = super()._read_nowait_chunk(n)
            form.take(data)
            return data

    content.__class__ = Seen


async def _prepare_hook(response: web.StreamResponse) -> None:
    """The request's, whoever prepares the response and when; its head is made by then."""
    request = response._req
    assert request is not None  # noqa: S101 - this one
    await type(request)._prepare_hook(request, response)
    if isinstance(response, web.FileResponse) and response.content_type in _PAGES:
        # The kernel would send the file past the writer; aiohttp has it read where it may be compressed.
        response._compression = True


class _Writer(AbstractStreamWriter):
    """The connection's writer, as a response sees it."""

    def __init__(self, door: Door, arrival: Arrival, visitor: CurrentVisitor, request: web.Request) -> None:
        self._door = door
        self._arrival = arrival
        self._visitor = visitor
        self._inner = request._payload_writer
        self._content = request.content
        self._chunks = request.version >= HttpVersion11
        self._compresses = False
        self._head: tuple[str, CIMultiDict[str]] | None = None
        """Held back until it is known whether the page is whole."""
        self._rewriter: PageRewriter | None = None
        self._gathered = b""
        """What a client without chunks gets at the end, in one piece."""

    # What a response sets and asks.

    @property
    def length(self) -> int | None:
        """Bytes of the body that are announced and not written yet."""
        return self._inner.length

    @length.setter
    def length(self, length: int | None) -> None:
        self._inner.length = length

    @property
    def output_size(self) -> int:  # type: ignore[override]
        """Bytes that have left. A head that is held back counts: another can't follow it."""
        return self._inner.output_size + (self._head is not None)

    @property
    def buffer_size(self) -> int:  # type: ignore[override]
        """Bytes that have left since the transport was last waited for."""
        return self._inner.buffer_size

    @property
    def transport(self) -> asyncio.WriteTransport | None:
        return self._inner.transport

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        self._compresses = True
        self._inner.enable_compression(encoding, strategy)

    def enable_chunking(self) -> None:
        self._inner.enable_chunking()

    # What a response writes.

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        came = Response(*_status(status_line), _pairs(headers))
        if self._compresses:
            # What is written here is plain: it is compressed beneath.
            came = came._replace(headers=without(came.headers, frozenset({b"content-encoding"})))
        if self._arrival.form is not None and self._content.at_eof():
            self._arrival.form.end()
        steps = self._door.passage.depart(self._arrival, came, self._visitor.arrival)
        departure = await through(steps, self._door.courier.put)
        left = _multidict(departure.headers)
        if self._compresses:
            left[hdrs.CONTENT_ENCODING] = headers[hdrs.CONTENT_ENCODING]
        self._rewriter = departure.rewriter
        self._head = status_line, left
        if departure.rewriter is None:
            await self._let_head_go()

    def send_headers(self) -> None:
        if self._head is None:
            self._inner.send_headers()

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._rewriter is None:
            await self._inner.write(chunk)
            return
        out = await self._rewritten(self._rewriter, bytes(chunk), is_last=False)
        if not self._chunks:
            self._gathered += out
            return
        await self._begin_chunks()
        if out:
            await self._inner.write(out)

    async def write_eof(self, chunk: bytes = b"") -> None:
        if self._rewriter is not None:
            chunk = self._gathered + await self._rewritten(self._rewriter, bytes(chunk), is_last=True)
            if self._head is not None:
                await self._begin_whole(len(chunk))
            self._door.later.do(self._rewriter.jobs)
        await self._inner.write_eof(chunk)

    async def drain(self) -> None:
        await self._inner.drain()

    async def _rewritten(self, rewriter: PageRewriter, data: bytes, *, is_last: bool) -> bytes:
        out, error = rewritten(rewriter, data, is_last=is_last)
        if error is None:
            return out
        if self._chunks:  # Without them, what has no end looks whole.
            await self._begin_chunks()
            await self._inner.write(out)
        raise ConnectionError("the body broke off")

    async def _begin_whole(self, length: int) -> None:
        """The head, where all of the body is known."""
        if self._head is not None and not self._compresses:
            self._head[1].popall(hdrs.TRANSFER_ENCODING, None)
            self._head[1][hdrs.CONTENT_LENGTH] = str(length)
            self._inner.length, self._inner.chunked = length, False  # type: ignore[attr-defined]
        await self._begin_chunks() if self._compresses else await self._let_head_go()

    async def _begin_chunks(self) -> None:
        """The head of a body that grows."""
        if self._head is not None:
            self._inner.length = None
            if self._chunks:
                self._head[1][hdrs.TRANSFER_ENCODING] = "chunked"
                self._inner.enable_chunking()
        await self._let_head_go()

    async def _let_head_go(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            await self._inner.write_headers(*head)


def _request(request: web.Request) -> Request:
    headers: Headers = request.raw_headers
    host = first(headers, b"host").decode("latin-1")
    target = request.raw_path.encode("utf-8", "surrogateescape")
    return Request(request.method, request.scheme, host, target, headers)


def _show(request: web.Request, arrival: Arrival) -> None:
    """The request as the app is to see it; the same object, for others may hold it already."""
    headers = CIMultiDictProxy(_multidict(arrival.headers))
    message = request._message._replace(headers=headers, raw_headers=arrival.headers)
    if arrival.target != arrival.request.target:
        target = arrival.target.decode("utf-8", "surrogateescape")
        message = message._replace(path=target, url=URL(target, encoded=True))
        request._rel_url = message.url
    for name in _READ:
        request._cache.pop(name, None)
    request._message, request._headers = message, headers


def _status(line: str) -> tuple[int, bytes]:
    _, code, reason = line.split(" ", 2)
    return int(code), reason.encode("utf-8")


def _pairs(headers: CIMultiDict[str]) -> Headers:
    return tuple((name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items())


def _multidict(headers: Headers) -> CIMultiDict[str]:
    # As aiohttp reads them.
    pairs = [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in headers]
    return CIMultiDict(pairs)
