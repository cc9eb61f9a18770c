"""kmproxy as it is run: ``kmproxy serve`` with its workers and a configuration that changes under it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from outbox_chaos import TOKEN
from proxy_certificates import certificate, trusting

from . import site
from .connection import Connection
from .process import Server, children, cpu, free_ports, resident

_CONFIG = """
[server]
listen = ["http://127.0.0.1:{port}", "127.0.0.1:{secure}"]
tls = [{certificates}]
admin = "127.0.0.1:{admin}"
workers = {workers}
drain_delay = {delay}
[outbox]
url = "{outbox}"
[[site]]
name = "soak"
kissmetrics = {{ api_key = "key", endpoint = "{vendor}" }}
mixpanel = {{ token = "{token}", endpoint = "{vendor}" }}
domain = [{domains}]
form = [{{ path = "/join", event = "{joined}" }}]
"""

DELAY = 1.0
"""Seconds from SIGTERM until no connection is taken any more."""

_READY = b"GET /readyz HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"

_ANOTHER = """
[[site]]
name = "another"
kissmetrics = { api_key = "another" }
domain = [{ host = "another.example" }]
"""

_WRONG = "\n[[site]]\nname = 'soak'\n"

_VERSIONS = ("", _ANOTHER, _WRONG, _ANOTHER)
"""What is added at one reload after the other; a wrong file must change nothing."""


class Proxy(Server):
    """The supervisor's process is ``pid``; without workers it answers itself."""

    def __init__(
        self, folder: Path, outbox: str, vendor: str, upstreams: dict[str, Sequence[int]], workers: int
    ) -> None:
        port, self.secure, self._admin = free_ports(3)
        self.trust = trusting()
        """What its certificates are believed by."""
        domains = ", ".join(
            f'{{ host = "{host}", upstream = {[f"http://127.0.0.1:{port}" for port in ports]} }}'
            for host, ports in upstreams.items()
        )
        self._several = workers > 1
        self._text = _CONFIG.format(
            port=port,
            secure=self.secure,
            certificates=", ".join(certificate(folder, host, host).toml for host in upstreams),
            joined=site.JOINED,
            delay=DELAY,
            admin=self._admin,
            workers=workers,
            outbox=outbox,
            vendor=vendor,
            token=TOKEN,
            domains=domains,
        )
        self._file = folder / "kmproxy.toml"
        self._reloads = 0
        command = [str(Path(sys.executable).parent / "kmproxy"), "serve", "-c", str(self._file)]
        super().__init__(command, port, folder / "kmproxy.log")

    async def start(self) -> None:
        """With a configuration that is right."""
        self._file.write_text(self._text)
        await super().start()

    async def is_up(self) -> bool:
        """Whether all workers answer."""
        try:
            asked = await Connection.to(self._admin)
        except OSError:
            return False
        return (await asked.ask(_READY)).status == 200

    def workers(self) -> list[int]:
        """The processes that answer, the oldest first."""
        return children(self.pid) if self._several else [self.pid]

    def resident(self) -> dict[int, int]:
        """Bytes of memory in use, by process."""
        return {pid: resident(pid) for pid in {self.pid, *self.workers()}}

    def cpu(self) -> dict[int, float]:
        """CPU seconds used, by process."""
        return {pid: cpu(pid) for pid in {self.pid, *self.workers()}}

    def reload(self) -> None:
        """With another configuration each time."""
        self._reloads += 1
        self._file.write_text(self._text + _VERSIONS[self._reloads % len(_VERSIONS)])
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    async def stop(self) -> tuple[int, float]:
        """As systemd stops it: its exit status, and the seconds it took."""
        assert self.process is not None
        begun = monotonic()
        self.process.terminate()
        async with asyncio.timeout(60):
            status = await self.process.wait()
        return status, monotonic() - begun


def upstreams(ports: Sequence[int]) -> dict[str, Sequence[int]]:
    """The blog has one, the shop all others."""
    return {site.BLOG: ports[:1], site.SHOP: ports[1:]}
