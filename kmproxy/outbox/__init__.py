"""The durable queue of tracking calls.

``Sender`` is in ``kmproxy.outbox.sender``: it needs aiohttp, which a door that only puts does not.
"""

from __future__ import annotations

from pathlib import Path

from kmproxy.errors import OutboxError
from kmproxy.outbox.sqlite import SqliteOutbox
from kmproxy.outbox.store import Claimed, Outbox, SetApart, Stats

__all__ = ["Claimed", "Outbox", "SetApart", "SqliteOutbox", "Stats", "open_outbox"]


def open_outbox(url: str) -> Outbox:
    """The outbox at ``sqlite:PATH``; raises ``OutboxError`` if it can't be opened or written."""
    scheme, _, path = url.partition(":")
    if scheme != "sqlite" or not path:
        raise OutboxError(f"outbox url {url!r}: expected sqlite:PATH")
    return SqliteOutbox(Path(path))
