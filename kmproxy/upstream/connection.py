"""One connection to an upstream: one request after another, one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

from kmproxy.upstream.deadline import Deadline, Timeouts
from kmproxy.upstream.errors import BadResponse, Disconnected, FirstByteTimeout, IdleTimeout
from kmproxy.upstream.exchange import Exchange
from kmproxy.upstream.message import ResponseHead
from kmproxy.upstream.parser import Complete, Event, Interim, ResponseParser, Switched
from kmproxy.upstream.tunnel import Tunnel

FIRST = 32 * 1024
"""Bytes that are read in one go, and bytes of body nobody has read at which we stop reading (one read more
may come on top); until the head is known and somebody says how much may wait."""

HIGH_WATER = 256 * 1024
"""The most that may wait."""


# What is read is parsed before anything else is read on this thread, so that all its connections share it.
_shared = threading.local()


class Connection(asyncio.BufferedProtocol):
    """An asyncio protocol: ``send`` a request, get an Exchange.

    At rest it waits for ``send``; ``at_rest`` is called whenever it can take another request, in the same
    turn of the loop as the last byte of the response came. ``lost`` is called when it is closed for good.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        at_rest: Callable[[Connection], None],
        lost: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeouts = timeouts
        self._at_rest = at_rest
        self._lost = lost
        self._deadline = Deadline(self._loop, self._expired)
        self._transport: asyncio.Transport
        self._parser: ResponseParser | Switched | None = None
        self._opening: asyncio.Future[Exchange] | None = None
        self._exchange: Exchange | None = None
        self._upload: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._high_water = FIRST
        self.answered = False
        """Any byte of a response to the latest request has come."""
        self.rested_at = 0.0
        """When the latest response was whole, in the loop's time."""

    @property
    def usable(self) -> bool:
        """At rest, and neither side has closed as far as we know."""
        return self._parser is None and not self._transport.is_closing()

    async def send(
        self,
        method: bytes,
        head: bytes,
        body: AsyncIterator[bytes] | None = None,
        *,
        chunked: bool = False,
        upgrade: bytes = b"",
        interim: Interim | None = None,
    ) -> Exchange:
        """Send a request; return when the head of its response is here, be ``body`` sent by then or not.

        ``chunked`` names the framing in ``head``: chunks, which are made here; or Content-Length, which the
        pieces add up to. ``upgrade`` is what ``head`` offers to switch to, and a Tunnel may come back, where
        there is no ``body``. ``interim`` is told of each 1xx but 100 and 101, and must not raise. Raises
        Disconnected, FirstByteTimeout, BadResponse, and whatever ``body`` raises.
        """
        if not self.usable:
            raise Disconnected("the upstream has closed the connection")
        self.answered = False
        self._high_water = FIRST
        self._parser = ResponseParser(method, upgrade, interim)
        opening: asyncio.Future[Exchange] = self._loop.create_future()
        self._opening = opening
        self._transport.write(head)
        self._deadline.start(self._timeouts.first_byte)
        if body is not None:
            self._upload = self._loop.create_task(self._send_body(body, chunked))
        try:
            return await opening
        except asyncio.CancelledError:
            self._forsake(opening)
            raise

    def abort(self) -> None:
        """Close at once; an exchange under way is broken off."""
        self._fail(Disconnected("closed by us"))

    def _forsake(self, opening: asyncio.Future[Exchange]) -> None:
        """Whoever sent the request is gone. By now the connection may be somebody else's."""
        if opening.cancelled():
            self.abort()
        elif opening.exception() is None:
            opening.result().close()

    # The request's body.

    async def _send_body(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        try:
            async for piece in body:
                await self._send_piece(piece, chunked)
        except Exception as error:
            self._upload = None
            self._fail(error)
            return
        if chunked:
            self._transport.write(b"0\r\n\r\n")
        self._upload = None

    async def _send_piece(self, piece: bytes, chunked: bool) -> None:
        if not piece:
            return  # An empty chunk would be the last one (RFC 9112 §7.1).
        self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if self._writable is not None:
            await self._writable
        if self._opening is not None:
            self._deadline.start(self._timeouts.first_byte)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # The response.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio types the narrower one nowhere

    def get_buffer(self, sizehint: int) -> memoryview:
        try:
            return _shared.buffer[: self._high_water]  # type: ignore[no-any-return]
        except AttributeError:
            _shared.buffer = memoryview(bytearray(HIGH_WATER))
            return self.get_buffer(sizehint)

    def buffer_updated(self, size: int) -> None:
        self._received(_shared.buffer[:size])

    def _received(self, data: memoryview) -> None:
        if self._parser is None:
            # RFC 9112 §9.2: nobody asked, so it must not become the next request's response.
            self._transport.abort()
            return
        self.answered = True
        try:
            events = self._parser.feed(data)
        except BadResponse as error:
            self._fail(error)
        else:
            self._dispatch(events)

    def eof_received(self) -> bool:
        """Whether the transport stays open, for what is still to be sent."""
        if isinstance(self._parser, Switched):
            return self._end_of_stream()
        self._end_of_response()
        return False

    def _end_of_response(self) -> None:
        if self._parser is None:
            return
        try:
            events = self._parser.eof()
        except Disconnected as error:
            self._fail(error)
        else:
            self._dispatch(events)

    def connection_lost(self, exc: Exception | None) -> None:
        # Not the end of a close-delimited body: that one comes as eof_received, without a reset.
        self._fail(Disconnected(str(exc or "the connection was closed")))
        self._deadline.close()
        self.resume_writing()
        self._lost(self)

    def _dispatch(self, events: list[Event]) -> None:
        if events:
            self._deadline.stop()
        for event in events:
            if isinstance(event, ResponseHead):
                self._begin(event)
            elif isinstance(event, Complete):
                if event.trailers and self._exchange is not None:
                    self._exchange.trailers = event.trailers
                self._finish(event.reusable)
            elif self._exchange is not None:
                self._push(self._exchange, event)

    def _begin(self, head: ResponseHead) -> None:
        opening, self._opening = self._opening, None
        if opening is None or opening.done():
            self.abort()  # Cancelled in this very turn: it must not come to rest and be taken by another.
            return
        self._exchange = exchange = Tunnel(head, self) if head.status == 101 else Exchange(head, self)
        if head.status == 101:
            self._parser = Switched()
        opening.set_result(exchange)

    def _push(self, exchange: Exchange, piece: bytes) -> None:
        exchange.push(piece)
        if exchange.buffered > self._high_water and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _finish(self, reusable: bool) -> None:
        # RFC 9112 §9.3: an answer before the end of the request (a 413, say) leaves a connection on which
        # the rest of the request would be taken for the next one.
        reusable = reusable and self._upload is None and not self._transport.is_closing()
        self._release(None)
        if not reusable:
            self._transport.abort()
            return
        self._resume()
        self.rested_at = self._loop.time()
        self._at_rest(self)

    def _fail(self, error: Exception) -> None:
        opening, self._opening = self._opening, None
        if opening is not None and not opening.done():
            opening.set_exception(error)
        self._release(error)
        self._transport.abort()

    def _release(self, error: Exception | None) -> None:
        """End the exchange under way, if any."""
        self._deadline.stop()
        self._parser = None
        exchange, self._exchange = self._exchange, None
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.cancel()
        if exchange is not None:
            exchange.finish(error)

    def _expired(self) -> None:
        if self._opening is not None:
            self._fail(FirstByteTimeout(f"no response within {self._timeouts.first_byte} s"))
        else:
            self._fail(IdleTimeout(f"nothing more of the body within {self._timeouts.idle} s"))

    # What the exchange calls.

    def reader_waits(self) -> None:
        """The idle timeout runs only now: whoever is slow to read must not pay for it.

        Who has switched to another protocol may be silent for as long as that allows.
        """
        if not isinstance(self._parser, Switched):
            self._deadline.start(self._timeouts.idle)

    def reader_leaves(self) -> None:
        """Nobody waits for more of the body."""
        self._deadline.stop()

    def keep(self, most: int) -> None:
        """Have up to ``most`` bytes of the response wait to be read, within bounds."""
        self._high_water = max(FIRST, min(most, HIGH_WATER))

    def was_read(self, left: int) -> None:
        """``left`` bytes of body are still unread."""
        # So that a steady reader does not switch the transport at every piece.
        if left <= self._high_water // 4:
            self._resume()

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # What a tunnel calls besides.

    def _end_of_stream(self) -> bool:
        """The upstream has said all it had to say, and may still listen."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.finish()
        return self._transport.can_write_eof()

    async def write(self, data: bytes) -> None:
        """Send ``data`` as it is; return when more may come. Raises Disconnected."""
        if self._transport.is_closing():
            raise Disconnected("the connection is closed")
        self._transport.write(data)
        if self._writable is not None:
            await self._writable

    def write_nowait(self, data: bytes) -> None:
        """Send ``data`` as it is, unless the connection is closed."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        """Nothing more will be sent; where the transport can't say that (TLS), it ends."""
        if self._transport.is_closing():
            return  # uvloop's raises what is no OSError.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
