"""Serve until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from kmproxy.config import Config, load
from kmproxy.errors import ConfigError
from kmproxy.proxy.server import ProxyServer
from kmproxy.proxy.sockets import adopted
from kmproxy.serving import systemd
from kmproxy.serving.change import REFUSALS, applied, why
from kmproxy.serving.garbage import let_go_soon, settle
from kmproxy.serving.supervisor import Supervisor
from kmproxy.signals import Told, told

_log = logging.getLogger(__name__)

Say = Callable[[str], None]


class Server(Protocol):
    """One process or several."""

    @property
    def addresses(self) -> list[str]: ...

    @property
    def admin_address(self) -> str: ...

    async def reload(self, config: Config) -> None: ...

    async def drain(self) -> None: ...

    def hurry(self) -> None: ...


async def serve(config: Config, source: Path | None, say: Say) -> None:
    """Serve ``config``, which is that of ``source`` (None: of the default paths), until SIGTERM or SIGINT.

    SIGHUP reads ``source`` again. ``say`` is given lines for whoever looks on. Raises KmproxyError if it
    can't start.
    """
    with told() as signals:
        async with _server(config) as server:
            settle()
            _greet(config, server, say)
            systemd.notify("READY=1")
            watchdog = asyncio.create_task(systemd.keep_alive())
            while await signals.next():
                config = await _reload(server, config, source, say)
            say("stopping: requests in flight may end, tracking calls stay in the outbox")
            systemd.notify("STOPPING=1")
            await _drain(server, signals)
            watchdog.cancel()


def _server(config: Config) -> ProxyServer | Supervisor:
    inherited = systemd.inherited()
    listening = adopted(inherited, config.server) if inherited else None
    count = config.server.workers or os.cpu_count() or 1
    if count == 1:
        return ProxyServer(config, listening=listening)
    return Supervisor(config, count, listening=listening)


def _greet(config: Config, server: Server, say: Say) -> None:
    for site in config.site:
        say(f"site {site.name}: {', '.join(domain.host for domain in site.domain)}")
    say(f"listening on {', '.join(server.addresses)}")
    if server.admin_address:
        say(f"health and metrics on {server.admin_address}")


async def _reload(server: Server, config: Config, source: Path | None, say: Say) -> Config:
    """The configuration in force from now on: the new one, or the old one if that is wrong."""
    systemd.reloading()
    try:
        new, fixed = applied(config, load(source))
        await server.reload(new)
        let_go_soon()
    except ConfigError as error:
        for problem in error.problems:
            _log.error("%s", problem)
        _log.error("the configuration is wrong and changes nothing; problems: %d", len(error.problems))
    except REFUSALS as error:
        _log.error("the configuration can't be put in force: %s", why(error))
    else:
        config = new
        if fixed:
            _log.warning("restart to change %s", ", ".join(fixed))
        say("reloaded: requests from now on are answered by the new configuration")
    systemd.notify("READY=1")
    return config


async def _drain(server: Server, signals: Told) -> None:
    """A second signal ends it at once."""

    async def hurry() -> None:
        await signals.hurry.wait()
        server.hurry()

    hurrying = asyncio.create_task(hurry())
    try:
        await server.drain()
    finally:
        hurrying.cancel()
