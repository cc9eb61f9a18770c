"""The server: everything the proxy is made of, opened in order and closed in order."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from aiohttp import web

from kmproxy.admin.exposition import Exposition
from kmproxy.admin.listener import AdminListener
from kmproxy.admin.metrics import Metrics
from kmproxy.config import Config
from kmproxy.engine import Engine
from kmproxy.observer import Observer, Observers
from kmproxy.outbox import Outbox, open_outbox
from kmproxy.outbox.sender import Sender
from kmproxy.proxy import tracing
from kmproxy.proxy.access import AccessLog
from kmproxy.proxy.body import Bounds
from kmproxy.proxy.connection import Handler, Listener
from kmproxy.proxy.guarded import PARSES_IN_C
from kmproxy.proxy.handler import ProxyHandler
from kmproxy.proxy.headers import TrustedProxies
from kmproxy.proxy.sockets import ListenError, Listening, open_all
from kmproxy.proxy.tls import Certificates
from kmproxy.proxy.upstreams import Upstreams
from kmproxy.site import Sites
from kmproxy.upstream import Timeouts

__all__ = ["ListenError", "ProxyServer", "open_admin"]

_log = logging.getLogger(__name__)

MAX_FIELD = 32 * 1024
"""Bytes of one header field; KISSmetrics' own ``km_uq`` cookie alone takes up to 6 KB."""

MAX_LINE = MAX_FIELD + 1024
"""Bytes of the request line. Another number than MAX_FIELD: by it a parser's error tells which it was."""

MAX_FIELDS = 256

KEEP_ALIVE = 75.0
"""Seconds an idle visitor's connection is kept, as nginx keeps it."""

SETTLE = 1.5
"""Seconds that tracking calls in flight have to end; the rest stays in the outbox."""


class ProxyServer:
    """``kmproxy serve`` in one process, as an object: ``async with ProxyServer(config) as server``."""

    def __init__(
        self,
        config: Config,
        *observers: Observer,
        outbox: Outbox | None = None,
        listening: Sequence[Listening] | None = None,
    ) -> None:
        """``listening``: what to listen on instead of ``server.listen``, open already."""
        self._config = config
        self.metrics = Metrics()
        self._access_log: AccessLog | None = None
        self._spans = tracing.spans()
        told: list[Observer] = [self._spans] if self._spans else []
        self._observers = (self.metrics, *told, *observers)
        self._observer = Observers(*self._observers)
        self._outbox = outbox
        self._listening = listening
        self._servers: list[asyncio.Server] = []
        self._certificates: Certificates | None = None
        self._hurry = asyncio.Event()
        self._draining = False
        self._stack = AsyncExitStack()
        self.admin_address = ""

    @property
    def addresses(self) -> list[str]:
        """What is listened on, once started: ``http://host:port``, ``https://…`` or ``unix:/path``."""
        return [listening.address for listening in self._listening or ()]

    async def __aenter__(self) -> ProxyServer:
        async with AsyncExitStack() as stack:
            if self._listening is None:
                self._listening = open_all(self._config.server)[0]
            for listening in self._listening:
                stack.callback(listening.close)
            self._open_log(self._config)
            stack.callback(self._close_log)
            outbox = self._outbox or open_outbox(self._config.outbox.url)
            stack.callback(outbox.close)
            await self._start(outbox, stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    async def _start(self, outbox: Outbox, stack: AsyncExitStack) -> None:
        sender = Sender(outbox, on_result=self._observer.sent)
        await sender.start()
        stack.push_async_callback(self._settle, sender)
        self._make = partial(self._handler, outbox, sender)
        handler, self._upstreams = self._make(self._config)
        stack.callback(lambda: self._upstreams.close())
        if self._config.server.admin:
            exposition = Exposition(self.metrics.registry, self.metrics.hand_over)
            admin = AdminListener(exposition, outbox, self.unready)
            self.admin_address = await open_admin(admin, self._config.server.admin, stack)
        self._listener = self._new_listener(handler)
        stack.push_async_callback(self.drain)
        await self._listen()

    async def _settle(self, sender: Sender) -> None:
        await sender.stop(0.0 if self._hurry.is_set() else SETTLE)

    def _handler(self, outbox: Outbox, sender: Sender, config: Config) -> tuple[Handler, Upstreams]:
        server = config.server
        timeouts = Timeouts(server.connect_timeout, server.first_byte_timeout, server.idle_timeout)
        sites = Sites(config)
        sites.warm_up()
        domains = [domain for site in sites.all for domain in site.domains if domain.upstreams]
        upstreams = Upstreams(domains, timeouts, self._observer)
        engine = Engine(sites, time.time, os.urandom)
        trusted = TrustedProxies(server.trusted_proxies)
        bounds = Bounds(server.max_body, server.client_timeout)
        handler = ProxyHandler(engine, upstreams, outbox, trusted, self._observer, sender.wake, bounds)
        if self._spans:
            return self._spans.around(handler, sites.find, trusted), upstreams
        return handler, upstreams

    def _new_listener(self, handler: Handler) -> Listener:
        if not PARSES_IN_C:
            _log.warning("the HTTP parser in C is missing; the one in Python is slower")
        return Listener(
            handler,
            self._log_of(self._config),
            client_timeout=self._config.server.client_timeout,
            max_connections=self._config.server.max_connections,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
        )

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self._listening or ():
            context = self._context() if listening.secure else None
            for one in listening.sockets:
                if one.family == socket.AF_UNIX:
                    server = await loop.create_unix_server(self._listener, sock=one)
                else:
                    server = await loop.create_server(self._listener, sock=one, ssl=context)
                self._servers.append(server)

    async def reload(self, config: Config) -> None:
        """Answer requests that begin from now on by ``config``; those in flight end by the old one.

        What can't change while running must be the same. Raises KmproxyError, OSError or ValueError, and has
        then changed nothing that requests depend on.
        """
        self._open_log(config)  # the only part of it that nobody has tried yet
        if self._certificates:
            self._certificates.load(config.server.tls)
        self._listener.client_timeout = config.server.client_timeout
        self._listener.max_connections = config.server.max_connections
        if config == self._config:
            # Pages seen before are not forgotten because a log was rotated.
            self._upstreams.renew()
            return
        handler, upstreams = self._make(config)
        self._listener.turn_to(handler, self._log_of(config))
        self._config = config
        upstreams, self._upstreams = self._upstreams, upstreams
        upstreams.close()
        self.metrics.upstreams_are(self._upstreams.domains)

    def unready(self) -> str:
        """Why no new visitors should come here, or ``""``."""
        return "stopping" if self._draining else ""

    def hurry(self) -> None:
        """Let nothing end that is in flight any more."""
        self._hurry.set()

    async def drain(self) -> None:
        """Take no more, and let what is in flight end in bounded time. No error if it has been done."""
        if self._draining:
            return
        self._draining = True
        server = self._config.server
        self._listener.wind_down()
        await self._unless_hurried(asyncio.sleep(server.drain_delay))
        for one in self._servers:
            one.close()
        await self._unless_hurried(self._listener.end(server.drain_timeout))
        await self._listener.shutdown(0.01)

    async def _unless_hurried(self, job: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.ensure_future(job), asyncio.ensure_future(self._hurry.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _open_log(self, config: Config) -> None:
        """Once it is open it stays so, be it for nothing: requests in flight are noted in it."""
        path, trusted = config.server.access_log, TrustedProxies(config.server.trusted_proxies)
        if self._access_log:
            self._access_log.reopen(path, trusted)
        elif path:
            self._access_log = AccessLog(path, trusted)
            self._observer = Observers(*self._observers, self._access_log)

    def _close_log(self) -> None:
        if self._access_log:
            self._access_log.close()

    def _log_of(self, config: Config) -> AccessLog | None:
        return self._access_log if config.server.access_log else None

    def _context(self) -> ssl.SSLContext:
        if self._certificates is None:
            self._certificates = Certificates(self._config.server.tls)
        return self._certificates.context


async def open_admin(admin: AdminListener, address: str, stack: AsyncExitStack) -> str:
    """Listen on ``address``; what is listened on, with the port that was found free. Raises ListenError."""
    runner = web.AppRunner(admin.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    path = address.removeprefix("unix:")
    host, _, port = address.rpartition(":")
    site: web.BaseSite = (
        web.UnixSite(runner, path) if path != address else web.TCPSite(runner, host.strip("[]"), int(port))
    )
    try:
        await site.start()
    except OSError as error:
        raise ListenError(f"{address}: can't listen: {error.strerror or error}") from error
    return address if path != address else f"http://{host}:{runner.addresses[-1][1]}"
