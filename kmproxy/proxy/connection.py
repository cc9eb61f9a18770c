"""A visitor's connection: aiohttp reads it, one request after another is answered here.

aiohttp would make a task, a request and a response object of its own for each, which costs half as much
again as all that a proxy has to do. So its loop over the requests is replaced: this is the one place that
reaches into it, and the version is bounded in the package's requirements for that reason.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import PayloadEncodingError
from aiohttp.web_protocol import ERROR, RequestHandler, _ErrInfo

from kmproxy.arriving import plain_answer
from kmproxy.proxy.guarded import LINGER, GuardedServer
from kmproxy.proxy.incoming import Incoming
from kmproxy.proxy.outgoing import Outgoing
from kmproxy.proxy.switchable import Switchable

_log = logging.getLogger(__name__)

Handler = Callable[[Incoming], Awaitable[Outgoing]]
"""What answers a request; the response it gives back is ended for it."""


class Log(Protocol):
    """Notes what is answered."""

    async def follow(self, connection: Connection, message: Any, answering: Awaitable[bool]) -> bool:
        """What ``answering`` the request ``message`` on ``connection`` gives."""


_LOOK_AGAIN = 0.01
"""Seconds between two looks at whether all connections are gone, when the server ends."""


class Listener(GuardedServer):
    """Makes a Connection of each that comes in, for ``handler``."""

    def __init__(self, handler: Handler, log: Log | None = None, **options: Any) -> None:
        super().__init__(handler, **options)
        self._handler = handler
        self._log = log
        self._winding_down = False

    def __call__(self) -> RequestHandler:
        connection = Connection(self, self._handler, self._log, loop=self._loop, **self._kwargs)
        connection.is_ending = self._winding_down
        return connection

    def turn_to(self, handler: Handler, log: Log | None) -> None:
        """Requests that begin from now on are for ``handler`` and ``log``, on connections old and new."""
        self._handler, self._log = handler, log
        for connection in self._open():
            connection.turn_to(handler, log)

    def wind_down(self) -> None:
        """Each connection's next answer is its last, and says so."""
        self._winding_down = True
        for connection in self._open():
            connection.is_ending = True

    async def end(self, within: float) -> None:
        """Close connections that rest, and the others once they are answered or ``within`` seconds are over.

        Call ``wind_down`` first and see to it that none comes in any more.
        """
        for connection in self._open():
            if connection.is_idle:
                connection.force_close()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._all_gone()
        # Whoever reads an endless answer; aiohttp takes 0 for "as long as it takes".
        await self.shutdown(0.01)

    async def _all_gone(self) -> None:
        # aiohttp forgets a connection some time after it is lost, and tells nobody.
        while self.connections:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN)

    def _open(self) -> list[Connection]:
        return [connection for connection in self.connections if isinstance(connection, Connection)]


class Connection(Switchable):
    """One connection; whatever fails, its answer tells of nothing."""

    __slots__ = ("_handler", "_log", "is_ending")

    def __init__(self, listener: Listener, handler: Handler, log: Log | None, **options: Any) -> None:
        super().__init__(listener, **options)
        self._handler = handler
        self._log = log
        self.is_ending = False
        """Whether no other request is answered after this one."""

    def turn_to(self, handler: Handler, log: Log | None) -> None:
        """The next request is for ``handler``, and noted in ``log``."""
        self._handler, self._log = handler, log

    @property
    def is_idle(self) -> bool:
        """Whether nothing was asked that is not answered."""
        return not self._request_in_progress and not self._messages

    @property
    def peer(self) -> str:
        """The address at the other end: ``""`` on a unix socket, ``unknown`` of who has left already."""
        name = self.peername
        if isinstance(name, tuple):
            return str(name[0])
        return "unknown" if name is None else ""  # A client may have given its socket any name.

    @property
    def is_lost(self) -> bool:
        """The client has left, or is being left."""
        return self.transport is None or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Something beside the response, such as 100 Continue."""
        if self.transport is not None:
            self.transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was written. Raises ConnectionError."""
        if self._paused:
            await self._drain_helper()

    async def start(self) -> None:
        """Answer what is asked until the connection ends; aiohttp calls it when that begins."""
        while not self._force_close:
            message, body = await self._next()
            if not await self._serve(message, body) or self._close or self.is_ending:
                break
            self._wait_for_more()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.watch_unsent()
                self.transport.close()

    async def _next(self) -> tuple[Any, StreamReader]:
        """The next request's head, or what was wrong with it, and its body."""
        if not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        found = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return found

    async def _serve(self, message: Any, body: StreamReader) -> bool:
        """Answer one request; whether another may follow."""
        self._request_in_progress = True
        self.body = body
        try:
            answering = self._answer(message, body)
            may_follow = await (self._log.follow(self, message, answering) if self._log else answering)
            if not body.is_eof():
                if not may_follow:
                    self.say_no_more()
                await self._drop(body)
        except asyncio.CancelledError:
            self.force_close()
            raise
        finally:
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)
        if self._upgraded and not self._messages:
            self.go_on_without_upgrade()
        return may_follow

    async def _answer(self, message: Any, body: StreamReader) -> bool:
        if isinstance(message, _ErrInfo):
            await self._refuse(Incoming(ERROR, body, self), *self.answer_to(message))
            await self._linger()
            return False
        request = Incoming(message, body, self)
        if request.upgrade and not self.may_switch:
            # What stood behind it may be lost. To close tells the client so (RFC 9112 §9.3.2).
            request.upgrade = request.keep_alive = False
        try:
            response = await self._handler(request)
            response.begin(request)
            await response.end()
        except ConnectionError:
            return False
        except Exception as error:
            # Where, but not what: an exception's text may hold a visitor's identity.
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s in a request\n%s", type(error).__name__, where)
            return await self._refuse(request, 500, b"Internal Server Error")
        return response.keep_alive

    async def _refuse(self, request: Incoming, status: int, reason: bytes) -> bool:
        """A plain page, if nothing has left yet; the connection ends with it."""
        if not request.has_begun:
            answer = plain_answer(status, reason, reason.decode() + ".", request.method)
            response = Outgoing(answer.status, answer.reason, answer.headers, answer.body)
            request.keep_alive = False
            with suppress(ConnectionError):
                response.begin(request)
                await response.end()
        return False

    async def _linger(self) -> None:
        """Leave the client time to read why nothing of what it still sends is of use."""
        self.hear_no_more()
        await asyncio.sleep(LINGER)

    async def _drop(self, body: StreamReader) -> None:
        """Read the rest of a body that nobody wants: a client that still writes would lose the answer."""
        # Whoever read it for the upstream has been told to stop, and does so now.
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self._lingering_time):
                while not body.is_eof():
                    await body.readany()
        except (web.RequestPayloadError, PayloadEncodingError):
            await self._linger()
        except (TimeoutError, ConnectionError):
            self.close()

    def _wait_for_more(self) -> None:
        """An idle connection is closed after a while."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )
