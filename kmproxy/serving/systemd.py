"""What systemd asks of a service, which is a datagram and two variables: sd_notify(3), sd_listen_fds(3)."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress

_FIRST = 3


def notify(*state: str, patience: float = 1.0) -> None:
    """Tell the service manager, if there is one; ``state`` as in ``READY=1``.

    One that has not read what it was told before is waited for so many seconds; nothing else is done then.
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one, suppress(OSError):
        one.settimeout(patience)
        one.connect("\0" + path[1:] if path[0] == "@" else path)
        one.send("\n".join(state).encode())


def reloading() -> None:
    """A reload begins; ``READY=1`` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


async def keep_alive() -> None:
    """Tell the manager's watchdog, if it has one for us, that this event loop turns."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    while microseconds:
        notify("WATCHDOG=1", patience=0)
        await asyncio.sleep(microseconds / 2e6)


def inherited() -> list[socket.socket]:
    """The sockets that were opened for this process, ready to accept; a child is not told of them."""
    mine = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    os.environ.pop("LISTEN_FDNAMES", None)
    found = [socket.socket(fileno=number) for number in range(_FIRST, _FIRST + count)] if mine else []
    for one in found:
        one.setblocking(False)
        one.set_inheritable(False)
    return found
