"""What all visitors share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import aiohttp
from outbox_chaos import Call

from .copies import Copies
from .proxy import Proxy
from .record import Record


@dataclass
class World:
    """The way in, and what has become of those who took it."""

    proxy: Proxy
    pace: float
    """Seconds between two requests of a visitor, on average."""
    record: Record
    client: aiohttp.ClientSession
    """For the WebSockets."""
    promised: set[Call] = field(default_factory=set)
    """The calls of arrivals and forms whose answers came."""
    copies: Copies = field(default_factory=Copies)
    """The latest copy that anybody has of each page."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """When it is set, visitors leave."""
