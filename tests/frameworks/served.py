"""An app under a real server: started on a socket of its own, told to end, looked at from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from kmproxy.outbox import open_outbox

TESTS = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

PATIENCE = 20.0
"""Seconds until what a test waits for is a failure."""


class Pair(NamedTuple):
    """A framework's app under a server."""

    name: str
    command: tuple[str, ...]
    """``FD`` stands for a listening socket's descriptor, ``PORT`` for a port that is free."""
    lets_calls_end: bool = True
    """Whether a call in flight when the server is told to end may end; else the next one sends it again."""


def _uvicorn(app: str, *more: str) -> tuple[str, ...]:
    return (str(BIN / "uvicorn"), f"frameworks.apps.{app}", "--fd", "FD", "--log-level", "warning", *more)


def _granian(app: str) -> tuple[str, ...]:
    command = (str(BIN / "granian"), f"frameworks.apps.{app}", "--interface", "asgi")
    return (*command, "--host", "127.0.0.1", "--port", "PORT", "--no-ws", "--log-level", "warning")


def _gunicorn(app: str, *more: str) -> tuple[str, ...]:
    command = (str(BIN / "gunicorn"), f"frameworks.apps.{app}", "-b", "fd://FD", "-w", "2")
    return (*command, "--log-level", "warning", "--no-control-socket", *more)


AIOHTTP = Pair("aiohttp", (sys.executable, "-m", "frameworks.apps.aiohttp_app", "FD"))
UVICORN = Pair("fastapi-uvicorn", _uvicorn("fastapi_app:app"))
UVICORN_2 = Pair("fastapi-uvicorn-2", _uvicorn("fastapi_app:app", "--workers", "2"))
DJANGO_GUNICORN = Pair("django-gunicorn", _gunicorn("django_app:wsgi"))
FLASK_GUNICORN = Pair("flask-gunicorn", _gunicorn("flask_app:app", "-k", "gthread", "--threads", "4"))

PAIRS = (
    UVICORN,
    UVICORN_2,
    Pair("fastapi-granian", _granian("fastapi_app:app")),
    Pair("starlette-uvicorn", _uvicorn("starlette_app:app")),
    Pair("starlette-granian", _granian("starlette_app:app")),
    # Django has no lifespan, and uvicorn ends by the signal itself: nobody hears that it does.
    Pair("django-uvicorn", _uvicorn("django_app:asgi"), lets_calls_end=False),
    DJANGO_GUNICORN,
    FLASK_GUNICORN,
    AIOHTTP,
)
FORKING = (UVICORN_2, DJANGO_GUNICORN, FLASK_GUNICORN)
"""Those with two workers."""

DOORS = (UVICORN, FLASK_GUNICORN, AIOHTTP)
"""One for each middleware."""

ENDED_WELL = (0, -signal.SIGTERM)
"""Exit statuses: uvicorn ends by the signal that it was sent."""


class Served:
    """A server in ``folder``; it is started when it is first asked for its port, and again after it ended."""

    def __init__(self, pair: Pair, folder: Path, environment: dict[str, str]) -> None:
        self.pair = pair
        self.folder = folder
        self._environment = {**os.environ, "PYTHONPATH": str(TESTS), **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def port(self) -> int:
        if self._process is None:
            self._start()
        return self._port

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _start(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            self._port = listener.getsockname()[1]
            uses_socket = any("FD" in part for part in self.pair.command)
            if not uses_socket:
                listener.close()
            given = {"FD": str(listener.fileno()), "PORT": str(self._port)}
            command = [_with(part, given) for part in self.pair.command]
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()] if uses_socket else [],
                    start_new_session=True,
                )
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self._port), 1).close()
            return True
        return False

    def tell_to_end(self) -> None:
        """SIGTERM to the server, as an init system sends it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def still_runs(self, seconds: float) -> bool:
        """Whether it has not ended after this time."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL to all of its processes, as when the machine loses its power."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self.ended()

    def ended(self) -> int:
        """The exit status of a server that was told to end, once all of its processes are gone."""
        process, self._process = self._process, None
        assert process is not None
        try:
            return process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def end(self) -> None:
        """End it, if it runs, and look whether it ended well."""
        if self._process is not None:
            self.tell_to_end()
            assert self.ended() in ENDED_WELL, self.log

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox.db"

    def waiting(self) -> int:
        """Tracking calls that are not with the vendor; for a server that has ended."""
        with closing(open_outbox(f"sqlite:{self.outbox}")) as outbox:
            return asyncio.run(outbox.stats()).waiting

    def sender(self) -> int | None:
        """The process that sends: the one that has the lock's file open."""
        lock = str(self.outbox) + "-duty"
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):
                if str(link.readlink()) == lock:
                    return int(link.parts[2])
        return None


def _with(part: str, given: dict[str, str]) -> str:
    for name, value in given.items():
        part = part.replace(name, value)
    return part


def wait_until(true: Callable[[], object]) -> None:
    """Return as soon as ``true()``."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came true"
        threading.Event().wait(0.01)
