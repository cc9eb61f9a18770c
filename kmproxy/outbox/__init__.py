"""The durable queue of tracking calls.

``Sender`` is in ``kmproxy.outbox.sender``: it needs aiohttp, which a door that only puts does not.
``Courier``, for apps, is in ``kmproxy.outbox.courier``.
``RedisOutbox`` is in ``kmproxy.outbox.redis``: it needs the extra ``kmproxy[redis]``.
"""

from __future__ import annotations

from pathlib import Path

from kmproxy.errors import OutboxError
from kmproxy.outbox.sqlite import SqliteOutbox
from kmproxy.outbox.store import Backlog, Claimed, Outbox, SetApart, Stats

__all__ = ["Backlog", "Claimed", "Outbox", "SetApart", "SqliteOutbox", "Stats", "open_outbox"]


def open_outbox(url: str) -> Outbox:
    """The outbox at ``sqlite:PATH`` or ``redis://…`` (see ``RedisOutbox``).

    Raises ``OutboxError`` if it can't be opened or written; a Redis that is away comes back.
    """
    scheme, _, path = url.partition(":")
    if scheme == "sqlite" and path:
        return SqliteOutbox(Path(path))
    if scheme in ("redis", "rediss"):
        return _open_redis(url)
    raise OutboxError(f"outbox url {scheme}: expected sqlite:PATH or redis://host:6379/0")


def _open_redis(url: str) -> Outbox:
    try:
        from kmproxy.outbox.redis import RedisOutbox
    except ModuleNotFoundError as error:
        raise OutboxError('outbox in Redis: run pip install "kmproxy[redis]"') from error
    return RedisOutbox(url)
