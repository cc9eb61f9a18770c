"""What a service manager is told, and that it can't hold kmproxy up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kmproxy.serving import systemd


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as one:
        one.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield one


def _fill(path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as one,
        suppress(BlockingIOError),
    ):
        one.connect(str(path))
        while one.send(b"WATCHDOG=1"):
            pass


async def test_a_manager_that_reads_nothing_holds_no_request_up(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    _fill(tmp_path / "notify")
    telling = asyncio.create_task(systemd.keep_alive())
    await asyncio.sleep(0.01)  # It would not come back.
    telling.cancel()
    systemd.notify("READY=1", patience=0.01)
    while b"READY" not in manager.recv(100):
        systemd.notify("READY=1")
