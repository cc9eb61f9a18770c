"""The garbage collector, told that a server is up."""

from __future__ import annotations

import asyncio
import gc

_THRESHOLDS = (10_000, 20, 50)
"""A request makes some hundred containers and leaves none behind: 700 would be reached every few requests."""


_SOON = 5.0
"""Seconds in which most requests that began before a reload have ended."""


def settle() -> None:
    """Look no more at what a start has made and will stay, and less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def let_go_soon() -> None:
    """Let go of what a reload has replaced: it refers to itself, and remembers pages."""
    asyncio.get_running_loop().call_later(_SOON, gc.collect)
