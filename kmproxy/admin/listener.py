"""The admin listener: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from kmproxy.admin.exposition import Exposition
from kmproxy.errors import OutboxError
from kmproxy.outbox import Outbox


class AdminListener:
    """Tells machines how kmproxy is; keep it off the Internet."""

    def __init__(self, exposition: Exposition, outbox: Outbox, unready: Callable[[], str]) -> None:
        """``unready`` tells why no new visitors should be sent here; ``""`` if they may."""
        self._exposition = exposition
        self._outbox = outbox
        self._unready = unready

    def app(self) -> web.Application:
        """The application to listen with."""
        app = web.Application()
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics_page)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        """The process answers."""
        return web.Response(text="ok\n")

    async def _ready(self, request: web.Request) -> web.Response:
        """Requests are answered, and arrivals can be kept: the outbox answers."""
        if why := self._unready():
            return web.Response(status=503, text=f"{why}\n")
        try:
            await self._outbox.stats()
        except OutboxError:
            return web.Response(status=503, text="the outbox can't be used\n")
        return web.Response(text="ready\n")

    async def _metrics_page(self, request: web.Request) -> web.Response:
        try:
            stats = await self._outbox.stats()
        except OutboxError:
            return web.Response(status=503, text="the outbox can't be used\n")
        return web.Response(body=self._exposition.text(stats), headers={"Content-Type": CONTENT_TYPE_LATEST})
