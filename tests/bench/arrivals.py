"""Arrivals: what one costs beside a plain redirect, and how many a core sustains."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from . import load
from .cases import HOST, browser
from .process import LOAD_CORE, SERVER_CORE, Server, StartError, free_port
from .upstream import config as nginx

_CONNECTIONS = 32
"""Enough that a sync of the disk is shared."""

_PATIENCE = 60.0
"""Seconds the vendors may take for what is left."""

_CONFIG = """\
[server]
listen = ["127.0.0.1:{port}"]
admin = "127.0.0.1:{admin}"
[outbox]
url = "{outbox}"
[[site]]
name = "bench"
kissmetrics = {{ api_key = "key", endpoint = "http://127.0.0.1:{vendors}" }}
mixpanel = {{ token = "token", endpoint = "http://127.0.0.1:{vendors}" }}
domain = [{{ host = "{host}" }}, {{ host = "shop.example" }}]
"""

_VENDORS = """\
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        client_body_buffer_size 2m;
        client_max_body_size 4m;
        location / {{ default_type application/json; return 200 '{{"status": 1}}'; }}
    }}
"""

_REDIRECT = "server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 302 /clean; }} }}"

# Every arrival is another visitor's, whom the link names.
_VISITORS = """\
math.randomseed(os.time())
local n = math.random(1, 1000000) * 1000000
function request()
    n = n + 1
    local device = "d" .. n
    wrk.headers["Cookie"] = "km_ai=a" .. n .. "; mp_token_mixpanel=%7B%22distinct_id%22%3A%22%24device%3A"
        .. device .. "%22%2C%22%24device_id%22%3A%22" .. device .. "%22%7D"
    return wrk.format("GET", "/?kmi=p" .. n .. "&distinct_id=p" .. n)
end
"""

_REDIS = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--bind", "127.0.0.1")

_KNOWN = "km_ni=p1; mp_token_mixpanel=%7B%22distinct_id%22%3A%22p1%22%2C%22%24user_id%22%3A%22p1%22%7D"


@dataclass(frozen=True)
class Arrivals:
    """One way of taking them."""

    title: str
    cpu: float = 0.0
    """CPU seconds per arrival, until the vendors have it."""
    answered: float = 0.0
    """Per second, while they come."""
    delivered: float = 0.0
    """Per second, from the first until the vendors have all; 0.0 where they are not told."""
    fault: str = ""


@dataclass(frozen=True)
class _Way:
    """A server that takes arrivals; ``admin`` is 0 for one that tells nobody."""

    title: str
    server: Server
    admin: int = 0
    script: Path | None = None


def measure(folder: Path, rounds: int, seconds: int) -> list[Arrivals]:
    """Every way. Vendors and Redis are on the load's core; outboxes on a real disk, for which they wait."""
    with ExitStack() as stack:
        disk = stack.enter_context(tempfile.TemporaryDirectory(prefix="kmproxy-bench-", dir="/var/tmp"))
        return [_one(way, rounds, seconds) for way in _ways(folder, Path(disk), stack)]


def _ways(folder: Path, disk: Path, stack: ExitStack) -> Iterator[_Way]:
    def started(command: list[str], port: int, core: int = SERVER_CORE) -> Server:
        server = Server(command, port, folder / f"{port}.log", core)
        stack.callback(server.stop)
        return server

    def kmproxy(outbox: str) -> tuple[Server, int]:
        port, admin = free_port(), free_port()
        file = folder / f"{port}.toml"
        file.write_text(_CONFIG.format(port=port, admin=admin, outbox=outbox, vendors=vendors, host=HOST))
        command = [str(Path(sys.executable).parent / "kmproxy"), "serve", "-c", str(file)]
        return started(command, port), admin

    script = folder / "visitors.lua"
    script.write_text(_VISITORS)
    port, vendors = free_port(), free_port()
    yield _Way("nginx, a redirect", started(nginx(folder / "redirect", _REDIRECT.format(port=port)), port))
    started(nginx(folder / "vendors", _VENDORS.format(port=vendors)), vendors, LOAD_CORE)
    server, admin = kmproxy(f"sqlite:{disk}/outbox.db")
    yield _Way("kmproxy, the redirect alone", server)
    yield _Way("kmproxy, two vendors told, SQLite", server, admin, script)
    if program := shutil.which("redis-server"):
        redis = free_port()
        started([program, "--port", str(redis), "--dir", str(disk), *_REDIS], redis, LOAD_CORE)
        server, admin = kmproxy(f"redis://127.0.0.1:{redis}/0")
        yield _Way("kmproxy, two vendors told, Redis", server, admin, script)


def _one(way: _Way, rounds: int, seconds: int) -> Arrivals:
    try:
        turns = [_turn(way, seconds) for _ in range(rounds)]
    except (OSError, StartError, TimeoutError) as error:
        return Arrivals(way.title, fault=str(error) or type(error).__name__)
    fault = next((turn.fault for turn in turns if turn.fault), "")
    cpu, answered, delivered = (
        median(getattr(turn, what) for turn in turns) for what in ("cpu", "answered", "delivered")
    )
    return Arrivals(way.title, cpu, answered, delivered, fault)


def _turn(way: _Way, seconds: int) -> Arrivals:
    headers = browser(way.server.port) | {"Cookie": _KNOWN}
    target = "/?kmi=p1&distinct_id=p1"
    before, begun = way.server.cpu(), time.monotonic()
    seen = load.run(way.server.port, target, headers, _CONNECTIONS, seconds, way.script)
    if seen.errors or not seen.requests:
        return Arrivals(way.title, fault=seen.errors or "no request was answered")
    if way.admin:
        _wait_until_delivered(way.admin)
    took, cpu = time.monotonic() - begun, way.server.cpu() - before
    delivered = seen.requests / took if way.admin else 0.0
    return Arrivals(way.title, cpu / seen.requests, seen.requests / seen.seconds, delivered)


def _wait_until_delivered(admin: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=_PATIENCE) as answer:
            if "kmproxy_outbox_waiting 0.0" in answer.read().decode():
                return
        time.sleep(0.1)
    raise TimeoutError("the vendors do not get what is in the outbox")
