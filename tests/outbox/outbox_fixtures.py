"""The fixtures of the outbox's tests; a plugin, so that test modules may import the kits themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from outbox_desk import LEASE, Desk, running
from outbox_kit import Clock, open_file
from outbox_redis import RedisServer
from outbox_stores import RedisStore, SqliteStore, Store
from outbox_vendor import Vendor

from kmproxy.outbox import Outbox, SqliteOutbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Runs as long as the tests do: what one left is for ``redis_server`` to remove."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis that tests leave running, and as it was set."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis that a test may kill or set up otherwise."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        return SqliteStore(tmp_path)
    return RedisStore(request.getfixturevalue("redis_server").url)


@pytest.fixture
def outbox(store: Store, clock: Clock) -> Iterator[Outbox]:
    with closing(store.open(clock)) as outbox:
        yield outbox


@pytest.fixture
def sqlite(tmp_path: Path, clock: Clock) -> Iterator[SqliteOutbox]:
    with closing(open_file(tmp_path, clock)) as outbox:
        yield outbox


@pytest.fixture
async def vendor(aiohttp_server: Callable[..., Awaitable[TestServer]]) -> Vendor:
    vendor = Vendor()
    server = await aiohttp_server(vendor.application())
    vendor.base = f"http://127.0.0.1:{server.port}"
    return vendor


@pytest.fixture
async def desk(store: Store, clock: Clock, vendor: Vendor) -> AsyncIterator[Desk]:
    with closing(store.open(clock, lease=LEASE)) as outbox:
        desk = Desk(outbox, clock, vendor, vendor.base)
        async with running(desk.sender):
            yield desk
