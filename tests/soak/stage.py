"""What stands around kmproxy: upstreams, a vendor, an outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from outbox_redis import RedisServer

from .process import Server, free_ports, origin
from .proxy import Proxy, upstreams
from .vendor import Vendor


@dataclass(frozen=True)
class Stage:
    """All of it, running."""

    proxy: Proxy
    origins: list[Server]
    vendor: Vendor
    redis: RedisServer | None
    posts: Path
    """What the upstreams were sent."""


@asynccontextmanager
async def staged(folder: Path, outbox: str, workers: int, seed: int) -> AsyncIterator[Stage]:
    """``outbox``: ``redis`` or ``sqlite``. Raises StartError."""
    vendor = Vendor(seed)
    async with AsyncExitStack() as stack:
        redis = _redis(folder, stack) if outbox == "redis" else None
        url = await stack.enter_async_context(vendor.listening())
        posts = folder / "posts"
        posts.touch()
        origins = [origin(port, folder / f"upstream-{port}.log", posts) for port in free_ports(3)]
        kept = redis.url if redis else f"sqlite:{folder}/outbox.db"
        proxy = Proxy(folder, kept, url, upstreams([one.port for one in origins]), workers)
        for server in (*origins, proxy):
            stack.push_async_callback(server.kill)
            await server.start()
        yield Stage(proxy, origins, vendor, redis, posts)


def _redis(folder: Path, stack: AsyncExitStack) -> RedisServer:
    redis = RedisServer(folder)
    stack.callback(redis.kill)
    redis.start()
    return redis
