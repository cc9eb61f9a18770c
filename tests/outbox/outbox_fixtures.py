"""The fixtures of the outbox's tests; a plugin, so that test modules may import the kits themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from outbox_desk import LEASE, Desk, running
from outbox_kit import Clock, open_file
from outbox_vendor import Vendor

from kmproxy.outbox import SqliteOutbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path, clock: Clock) -> Iterator[SqliteOutbox]:
    with closing(open_file(tmp_path, clock)) as outbox:
        yield outbox


@pytest.fixture
async def desk(
    tmp_path: Path, clock: Clock, aiohttp_server: Callable[..., Awaitable[TestServer]]
) -> AsyncIterator[Desk]:
    vendor = Vendor()
    server = await aiohttp_server(vendor.application())
    with closing(open_file(tmp_path, clock, lease=LEASE)) as outbox:
        desk = Desk(outbox, clock, vendor, f"http://127.0.0.1:{server.port}")
        async with running(desk.sender):
            yield desk
