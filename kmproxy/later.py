"""Work that makes the next page cheaper, off the path of this one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from kmproxy.pages.blocks import Job

_log = logging.getLogger(__name__)


def do(jobs: Sequence[Job]) -> None:
    """Do the work; where some of it fails, that costs nobody their page."""
    for job in jobs:
        try:
            job()
        except Exception as error:
            _log.error("%s while a page was prepared for the next visitor", type(error).__name__)


class Later:
    """Does it on a thread of the event loop's, a page's worth at a time: the rest will be asked for again."""

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None

    def do(self, jobs: Sequence[Job]) -> None:
        if jobs and (self._future is None or self._future.done()):
            self._future = asyncio.get_running_loop().run_in_executor(None, do, list(jobs))
