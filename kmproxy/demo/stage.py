"""The stage: the sites, the vendors' stand-in and the proxy, up together and gone together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web

from kmproxy.config import load
from kmproxy.demo.names import API_KEY, BLOG, SHOP, TOKEN
from kmproxy.demo.sites import sites
from kmproxy.demo.vendors import Heard, Vendors
from kmproxy.observer import Observer
from kmproxy.proxy.server import ListenError, ProxyServer


@dataclass(frozen=True, slots=True)
class Stage:
    """What is up."""

    port: int
    """Of 127.0.0.1: the proxy's."""

    sites_port: int
    """Of 127.0.0.1: the sites' own, without the proxy."""

    vendors: Vendors

    def url(self, host: str, target: str = "/") -> str:
        """A page's address, as a visitor types it."""
        return f"http://{host}:{self.port}{target}"


@asynccontextmanager
async def stage(
    *observers: Observer, on_heard: Callable[[Heard], None] = lambda _: None, ports: Sequence[int] = (0,)
) -> AsyncIterator[Stage]:
    """Everything up, the proxy on the first of ``ports`` that is free (0: any); no file stays."""
    vendors = Vendors(on_heard)
    with TemporaryDirectory(prefix="kmproxy-demo-") as directory:
        async with _listening(vendors.app()) as vendors_port, _listening(sites()) as sites_port:
            raw = settings(vendors_port, sites_port, Path(directory) / "outbox.db")
            async with AsyncExitStack() as stack:
                port = await _proxy(stack, raw, ports, observers)
                yield Stage(port, sites_port, vendors)


def settings(vendors_port: int, sites_port: int, outbox: Path) -> dict[str, Any]:
    """The configuration, as a file would have it; where to listen is left open."""
    endpoint, upstream = f"http://127.0.0.1:{vendors_port}", f"http://127.0.0.1:{sites_port}"
    site = {
        "name": "demo",
        "kissmetrics": {"api_key": API_KEY, "endpoint": endpoint},
        "mixpanel": {"token": TOKEN, "endpoint": endpoint},
        "domain": [{"host": host, "upstream": upstream} for host in (BLOG, SHOP)],
    }
    return {"outbox": {"url": f"sqlite:{outbox}"}, "site": [site]}


@asynccontextmanager
async def _listening(app: web.Application) -> AsyncIterator[int]:
    """The app up on a free port of 127.0.0.1, which is given."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _proxy(
    stack: AsyncExitStack, raw: dict[str, Any], ports: Sequence[int], observers: Sequence[Observer]
) -> int:
    """The proxy up on the first free port, which is returned. Raises ListenError if none is."""
    for port in ports[:-1]:
        with suppress(ListenError):
            return await _open(stack, raw, port, observers)
    return await _open(stack, raw, ports[-1], observers)


async def _open(stack: AsyncExitStack, raw: dict[str, Any], port: int, observers: Sequence[Observer]) -> int:
    server = {"listen": [f"127.0.0.1:{port}"], "admin": ""}
    proxy = ProxyServer(load({**raw, "server": server}), *observers)
    await stack.enter_async_context(proxy)
    return int(proxy.addresses[0].rpartition(":")[2])
