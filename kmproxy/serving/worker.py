"""A worker process: ``python -m kmproxy.serving.worker NUMBER``, of the control socket it inherited."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvloop

from kmproxy.admin import exposition
from kmproxy.config import Config
from kmproxy.proxy.server import ProxyServer
from kmproxy.serving import logs
from kmproxy.serving.change import REFUSALS, why
from kmproxy.serving.control import Control, Start
from kmproxy.serving.garbage import let_go_soon, settle
from kmproxy.signals import handled

_OFTEN = 0.2
"""Seconds from one count, and sign of life, to the next."""

_log = logging.getLogger("kmproxy.serving.worker")  # the module itself is __main__


async def work(number: int) -> None:
    """Do as the supervisor says until it says no more, or is gone."""
    control = await Control.on(socket.socket(fileno=number))
    start = Start.of(await control.receive())
    exposition.share(Path(start.counters), start.place)
    ended = asyncio.Event()
    # What a terminal sends to the whole group is for the supervisor.
    nothing = dict.fromkeys((signal.SIGINT, signal.SIGHUP), _nothing)
    with handled({**nothing, signal.SIGTERM: ended.set}):
        async with ProxyServer(start.config, listening=start.listening) as server:
            settle()
            control.send("ready")
            tasks = [
                asyncio.create_task(_obey(control, server, ended)),
                asyncio.create_task(_count(control, server)),
            ]
            await ended.wait()
            await server.drain()
        for task in tasks:
            task.cancel()
    server.metrics.hand_over()


async def _count(control: Control, server: ProxyServer) -> None:
    """Counts are as old as this when the process is killed."""
    while True:
        control.send("alive")
        server.metrics.hand_over()
        await asyncio.sleep(_OFTEN)


async def _obey(control: Control, server: ProxyServer, ended: asyncio.Event) -> None:
    while what := (message := await control.receive())["what"]:
        if what == "reload":
            control.send("reloaded", why=await _reload(server, message["config"]))
        elif what == "stop":
            ended.set()
        elif what == "hurry":
            server.hurry()
            ended.set()
    ended.set()


async def _reload(server: ProxyServer, config: dict[str, Any]) -> str:
    """Why it can't be put in force, or ``""``."""
    try:
        await server.reload(Config.model_validate(config))
    except REFUSALS as error:
        return why(error)
    let_go_soon()
    return ""


def _nothing() -> None:
    """It is not for us."""


def main() -> int:
    """Run; the exit status."""
    logs.set_up()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(int(sys.argv[1])))
    except REFUSALS as error:
        _log.error("a worker can't start: %s", why(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
