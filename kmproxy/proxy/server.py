"""The server: everything the proxy is made of, opened in order and closed in order."""

from __future__ import annotations

import logging
import os
import time
from contextlib import AsyncExitStack

from aiohttp import web

from kmproxy.admin.listener import AdminListener
from kmproxy.admin.metrics import Metrics
from kmproxy.config import Config
from kmproxy.engine import Engine
from kmproxy.errors import KmproxyError
from kmproxy.observer import Observer, Observers
from kmproxy.outbox import Outbox, open_outbox
from kmproxy.outbox.sender import Sender
from kmproxy.proxy.body import Bounds
from kmproxy.proxy.connection import Listener
from kmproxy.proxy.guarded import PARSES_IN_C
from kmproxy.proxy.handler import ProxyHandler
from kmproxy.proxy.headers import TrustedProxies
from kmproxy.proxy.upstreams import Upstreams
from kmproxy.site import Sites
from kmproxy.upstream import Timeouts

_log = logging.getLogger(__name__)

MAX_FIELD = 32 * 1024
"""Bytes of one header field; KISSmetrics' own ``km_uq`` cookie alone takes up to 6 KB."""

MAX_LINE = MAX_FIELD + 1024
"""Bytes of the request line. Another number than MAX_FIELD: by it a parser's error tells which it was."""

MAX_FIELDS = 256

KEEP_ALIVE = 75.0
"""Seconds an idle visitor's connection is kept, as nginx keeps it."""

DRAIN = 10.0
"""Seconds that requests in flight have to end when the server stops."""


class ListenError(KmproxyError):
    """An address can't be listened on."""


class ProxyServer:
    """``kmproxy serve``, as an object: ``async with ProxyServer(config) as server``."""

    def __init__(self, config: Config, *observers: Observer, outbox: Outbox | None = None) -> None:
        self._config = config
        self._sites = Sites(config)
        self._metrics = Metrics()
        self._observer = Observers(self._metrics, *observers)
        self._given_outbox = outbox
        self._stack = AsyncExitStack()
        self.addresses: list[str] = []
        """What is listened on, once started: ``http://host:port`` or ``unix:/path``."""
        self.admin_address = ""

    async def __aenter__(self) -> ProxyServer:
        async with AsyncExitStack() as stack:
            outbox = self._given_outbox or open_outbox(self._config.outbox.url)
            stack.callback(outbox.close)
            sender = Sender(outbox, on_result=self._observer.sent)
            await sender.start()
            stack.push_async_callback(sender.stop)
            self._sites.warm_up()
            handler = self._handler(outbox, sender, stack)
            await self._listen(handler, stack)
            await self._listen_admin(outbox, stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def _handler(self, outbox: Outbox, sender: Sender, stack: AsyncExitStack) -> ProxyHandler:
        server = self._config.server
        timeouts = Timeouts(server.connect_timeout, server.first_byte_timeout, server.idle_timeout)
        domains = [domain for site in self._sites.all for domain in site.domains if domain.upstreams]
        upstreams = Upstreams(domains, timeouts, self._observer)
        stack.callback(upstreams.close)
        engine = Engine(self._sites, time.time, os.urandom)
        trusted = TrustedProxies(server.trusted_proxies)
        bounds = Bounds(server.max_body, server.client_timeout)
        return ProxyHandler(engine, upstreams, outbox, trusted, self._observer, sender.wake, bounds)

    async def _listen(self, handler: ProxyHandler, stack: AsyncExitStack) -> None:
        if not PARSES_IN_C:
            _log.warning("the HTTP parser in C is missing; the one in Python is slower")
        listener = Listener(
            handler,
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
        runner = web.ServerRunner(listener, handle_signals=False, shutdown_timeout=DRAIN / 2)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        for address in self._config.server.listen:
            self.addresses.append(await _open(runner, address))

    async def _listen_admin(self, outbox: Outbox, stack: AsyncExitStack) -> None:
        if not self._config.server.admin:
            return
        runner = web.AppRunner(AdminListener(self._metrics, outbox).app(), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        self.admin_address = await _open(runner, self._config.server.admin)


async def _open(runner: web.BaseRunner, address: str) -> str:
    """Listen on ``address``; what is listened on, with the port that was found free. Raises ListenError."""
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
