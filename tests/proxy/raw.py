"""``kmproxy serve`` as a process and an origin on plain sockets: what hostile bytes make of them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KMPROXY = Path(sys.executable).parent / "kmproxy"

CONFIG = """\
[server]
listen = ["127.0.0.1:0"]
admin = ""
trusted_proxies = []
first_byte_timeout = 5
max_body = 100_000
[outbox]
url = "sqlite:outbox.db"
[[site]]
name = "acme"
kissmetrics = {{ api_key = "key", endpoint = "http://127.0.0.1:9" }}
[[site.domain]]
host = "a.example"
upstream = "{origin}"
[[site.domain]]
host = "*.wild.example"
upstream = "{origin}"
[[site.domain]]
host = "dead.example"
upstream = "http://127.0.0.1:{dead}"
"""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Origin:
    """Answers every request on every connection with ``answer``, and keeps those that came whole."""

    def __init__(self) -> None:
        self.answer = OK
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while request := _request(stream):
                self.received.append(request)
                connection.sendall(self.answer)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _request(stream: Iterator[bytes]) -> bytes:
    head = b""
    for line in stream:
        head += line
        if line == b"\r\n":
            break
    else:
        return b""
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        return head + stream.read(int(length[1]))  # type: ignore[attr-defined,no-any-return]
    if re.search(rb"(?i)\r\ntransfer-encoding: chunked", head):
        for line in stream:
            head += line
            if head.endswith(b"0\r\n\r\n"):
                return head
        return b""
    return head


class Served:
    """A running proxy, its origin and its log."""

    def __init__(self, port: int, origin: Origin, dead: int, log: Path) -> None:
        self.port = port
        self.origin = origin
        self.dead = dead
        self.log = log

    def send(self, *pieces: bytes) -> bytes:
        """All that comes back; the proxy must end the connection by itself."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=3) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answer = b""
            with suppress(ConnectionError):
                for piece in pieces:
                    connection.sendall(piece)
            with suppress(ConnectionError):
                while data := connection.recv(65536):
                    answer += data
            return answer


@contextmanager
def serving(cwd: Path, **environment: str) -> Iterator[Served]:
    """``kmproxy serve`` in ``cwd``."""
    origin, log = Origin(), cwd / "log"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        dead = int(probe.getsockname()[1])
    text = CONFIG.format(origin=f"http://127.0.0.1:{origin.port}", dead=dead)
    (cwd / "kmproxy.toml").write_text(text)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [KMPROXY, "serve"],
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout
    try:
        lines = iter(process.stdout.readline, b"")
        listening = next(line for line in lines if b"listening on" in line)
        yield Served(int(listening.rpartition(b":")[2]), origin, dead, log)
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
        origin.close()
