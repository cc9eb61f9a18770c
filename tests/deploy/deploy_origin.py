"""What stands behind kmproxy: pages, assets, uploads, events, an echo, and a page that is cut short."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

PAGE = b'<!doctype html><p>%4000d</p><a href="https://shop.acme.example/?q=%%2C">shop</a>' % 1
ASSET = bytes(range(256)) * 512


class Origin(BaseHTTPRequestHandler):
    """Has something at a few paths, and tells at all others what it was asked."""

    protocol_version = "HTTP/1.1"
    go_on: ClassVar[threading.Event] = threading.Event()
    left: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path in ("/events", "/endless", "/cut", "/chat"):
            getattr(self, f"_{path[1:]}")()
        elif path == "/page":
            self._say(PAGE, "text/html")
        elif path == "/asset":
            self._say(ASSET, "image/png")
        else:
            self._say(f"{self.requestline}\r\n{self.headers}".encode(), "text/plain")

    def do_POST(self) -> None:
        """Tell the digest of what came."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._say(hashlib.sha256(body).hexdigest().encode(), "text/plain")

    def _events(self) -> None:
        """A first event, and the second when told to."""
        self._begin("text/event-stream")
        self.wfile.write(b"data: first\n\n")
        if self.go_on.wait(10):
            self.wfile.write(b"data: second\n\n")

    def _endless(self) -> None:
        self._begin("text/event-stream")
        try:
            while not self.go_on.wait(0.02):
                self.wfile.write(b": still there\n\n")
        except OSError:
            self.left.set()

    def _cut(self) -> None:
        self._begin("text/html", "Transfer-Encoding", "chunked")
        self.wfile.write(b"%x\r\n%b\r\n" % (len(PAGE), PAGE))

    def _chat(self) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.end_headers()
        self.close_connection = True
        while data := self.connection.recv(65536):
            self.wfile.write(data)

    def _begin(self, kind: str, name: str = "Cache-Control", value: str = "no-cache") -> None:
        """The head of an answer that ends with the connection."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def _say(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # Many come at once; who finds no place tries again a second later.


@contextmanager
def origin() -> Iterator[str]:
    """The origin's address."""
    server = _Server(("127.0.0.1", 0), Origin)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        Origin.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
