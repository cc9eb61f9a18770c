"""The admin listener: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from kmproxy.admin.exposition import Exposition
from kmproxy.errors import OutboxError
from kmproxy.outbox import Outbox, Stats


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
        """Requests are answered, and arrivals can be kept as well as elsewhere.

        While a store that all share is away, nobody can keep them, and visitors still get their pages.
        """
        if why := self._unready():
            return web.Response(status=503, text=f"{why}\n")
        if not self._outbox.is_shared and await self._stats() is None:
            return web.Response(status=503, text="the outbox can't be used\n")
        return web.Response(text="ready\n")

    async def _metrics_page(self, request: web.Request) -> web.Response:
        """Told without the outbox, too: when it is away is when one looks."""
        text = self._exposition.text(await self._stats())
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _stats(self) -> Stats | None:
        """None if the outbox does not answer."""
        try:
            return await self._outbox.stats()
        except OutboxError:
            return None
