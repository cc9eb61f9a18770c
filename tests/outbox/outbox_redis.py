"""A Redis of our own, on a free port, whose log is on the disk before it answers."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import redis
from needs import program

_SETTINGS = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "warning")


class RedisServer:
    """Started, killed and started again on the same files and port."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._program = program("redis-server", "redis-server")
        self._directory = directory
        self._options = options
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        self._process = subprocess.Popen(
            [self._program, *place, *_SETTINGS, *self._options], stdout=subprocess.DEVNULL
        )
        self._wait_until_it_answers(self._process)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as peer:
                    peer.sendall(b"PING\r\n")
                    if peer.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                assert process.poll() is None, "redis-server did not start"
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """For what the outbox itself does not do."""
        with closing(redis.Redis(port=self.port, protocol=2)) as client:
            yield client


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
