"""``kmproxy serve``, as its users run it: a process with a configuration file."""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from browser.vendors import KEY, TOKEN, Vendors

_PATIENCE = 20.0

_AHEAD = ("kmproxy_decisions_total", 'why="prefetch"')

_SERVER = """\
[server]
listen = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[outbox]
url = "sqlite:{folder}/outbox.db"
"""

_SITE = """
[[site]]
name = "{name}"
kissmetrics = {{ api_key = "{key}", endpoint = "{vendors}/kissmetrics" }}
mixpanel = {{ token = "{token}", endpoint = "{vendors}/mixpanel" }}
"""

_DOMAIN = """
  [[site.domain]]
  host = "{host}"
  upstream = "{upstream}"
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A kmproxy that runs."""

    port: int
    admin: str

    def wait_until_delivered(self) -> None:
        """Return once every tracking call made by now is with its vendor."""
        self._wait(lambda: self.count("kmproxy_outbox_waiting") == 0)

    def wait_until_refused_ahead(self, times: float) -> None:
        """Return once so many arrivals in all were asked for ahead of their click."""
        self._wait(lambda: self.count(*_AHEAD) >= times)

    def refused_ahead(self) -> float:
        """How many arrivals were asked for ahead of their click."""
        return self.count(*_AHEAD)

    def count(self, name: str, label: str = "") -> float:
        """The sum of a metric, of the lines with ``label`` alone."""
        with urllib.request.urlopen(f"{self.admin}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name) and label in line)

    def _wait(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not happened():
            assert time.monotonic() < deadline, "kmproxy's metrics do not come to what they should"
            threading.Event().wait(0.02)


def configuration(folder: Path, sites: Mapping[str, Iterable[str]], upstream: str, vendors: Vendors) -> str:
    """The file's text: each site's hosts, all with one upstream."""
    text = _SERVER.format(folder=folder)
    for name, hosts in sites.items():
        text += _SITE.format(name=name, key=KEY, token=TOKEN, vendors=vendors.url)
        text += "".join(_DOMAIN.format(host=host, upstream=upstream) for host in hosts)
    return text


@contextmanager
def running(command: str, folder: Path, text: str) -> Iterator[Proxy]:
    """``kmproxy serve`` with the configuration ``text``; it must end well and have logged no error."""
    config, log = folder / "kmproxy.toml", folder / "kmproxy.log"
    config.write_text(text)
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [command, "serve", "-c", str(config)], stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            yield _started(process, log)
        finally:
            process.terminate()
            process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, log.read_text()
    assert " ERROR " not in log.read_text(), log.read_text()


def _started(process: subprocess.Popen[str], log: Path) -> Proxy:
    assert process.stdout is not None
    said: dict[str, str] = {}
    for line in process.stdout:
        what, _, address = line.strip().rpartition(" on ")
        said[what] = address
        if {"listening", "health and metrics"} <= said.keys():
            return Proxy(urlsplit(said["listening"]).port or 0, said["health and metrics"])
    raise AssertionError(f"kmproxy did not start: {log.read_text()}")
