"""What every middleware stands on: the engine, and somebody who carries the tracking calls."""

from __future__ import annotations

import logging
import os
import threading
import time

from kmproxy.config import load
from kmproxy.config.load import Source
from kmproxy.current import CurrentVisitor
from kmproxy.engine import Engine
from kmproxy.errors import OutboxError
from kmproxy.later import Later
from kmproxy.observer import Observers
from kmproxy.outbox.courier import Courier
from kmproxy.pages.codings import CodingError
from kmproxy.pages.negotiated import Negotiated
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.passage import Passage
from kmproxy.site import Sites
from kmproxy.visit import Arrival

_log = logging.getLogger(__name__)


class Door:
    """One way into an app. ``config``: a path, a mapping, a Config, or None for the default paths.

    ``negotiated``, where the app may have its compression within. Raises ConfigError with everything
    that is wrong. It may be made before a server forks.
    """

    def __init__(self, config: Source | None, negotiated: Negotiated | None = None) -> None:
        loaded = load(config)
        self._sites = Sites(loaded, negotiated)
        self._engine = Engine(self._sites, time.time, os.urandom)
        self.passage = Passage(self._engine, Observers())
        self.courier = Courier(loaded.outbox.url)
        self.later = Later()
        self._begun = 0
        """The process that was told to begin."""

    def visitor(self, arrival: Arrival | None) -> CurrentVisitor:
        """What the app gets to see of an arrival."""
        return CurrentVisitor(self._engine, arrival)

    def begin_soon(self) -> None:
        """``begin``, once a process, on a thread of its own: nobody waits for it."""
        begun, self._begun = self._begun == os.getpid(), os.getpid()
        if not begun:
            threading.Thread(target=self._begin, name="kmproxy-begin", daemon=True).start()

    def begin(self) -> None:
        """Send what earlier processes left. Waits for the disk; a failure is logged, for pages go on."""
        self._begun = os.getpid()
        self._begin()

    def _begin(self) -> None:
        self._sites.warm_up()
        try:
            self.courier.start()
        except OutboxError as error:
            _log.error("%s; arrivals are left to the pages' JavaScript", error)


def rewritten(rewriter: PageRewriter, data: bytes, *, is_last: bool) -> tuple[bytes, CodingError | None]:
    """What leaves of the next piece of a body, held back no longer.

    With an error, the body is not what it claims: it leaves as broken as it came, and must not be
    ended in good order.
    """
    out = b""
    try:
        out = rewriter.write(data)
        out += rewriter.finish() if is_last else rewriter.flush()
    except CodingError as error:
        return out + rewriter.salvage(), error
    return out, None
