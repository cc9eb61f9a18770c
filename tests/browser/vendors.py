"""Both vendors' APIs in one stand-in, which remembers what kmproxy and the browser's SDK sent."""

from __future__ import annotations

import json
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

KEY = "kissmetrics-key"
TOKEN = "mixpanel-token"

_PATIENCE = 20.0
"""Seconds until a call that does not come is a failure."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a sender to a vendor."""

    sender: str
    """``kissmetrics`` or ``mixpanel``: kmproxy, to that endpoint; ``sdk``: the browser."""

    event: str
    """Mixpanel's event; for KISSmetrics the path: ``/a``, ``/e``, ``/s``."""

    properties: dict[str, Any]


class Vendors:
    """What was sent, in the order it came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answering = threading.Event()
        """Cleared: what comes is remembered, and waits for its answer until it is set."""
        self.answering.set()
        self._calls: list[Call] = []
        self._came = threading.Condition()

    def take(self, calls: list[Call]) -> None:
        with self._came:
            self._calls.extend(calls)
            self._came.notify_all()

    def sent(self, sender: str, event: str, *, device: str = "", **properties: Any) -> list[Call]:
        """The calls by now that hold these properties; ``device`` is ``$device_id``."""
        wanted = {**properties, "$device_id": device} if device else properties
        with self._came:
            return [
                call
                for call in self._calls
                if (call.sender, call.event) == (sender, event) and wanted.items() <= call.properties.items()
            ]

    def wait(self, sender: str, event: str, *, device: str = "", **properties: Any) -> Call:
        """The first such call, once it has come."""
        with self._came:
            found = self._came.wait_for(
                lambda: self.sent(sender, event, device=device, **properties), _PATIENCE
            )
            assert found, f"no such call in {_PATIENCE} s; came: {self._calls}"
            return found[0]


@contextmanager
def running() -> Iterator[Vendors]:
    """The stand-in on a free port."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.vendors = vendors = Vendors(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield vendors
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    vendors: Vendors

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that is closed takes no answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._take(b"")

    def do_POST(self) -> None:
        self._take(self.rfile.read(int(self.headers["Content-Length"])))

    def _take(self, body: bytes) -> None:
        url = urlsplit(self.path)
        _, sender, path = url.path.split("/", 2)
        if sender == "kissmetrics":
            calls = [Call(sender, "/" + path, dict(parse_qsl(url.query)))]
        else:
            calls = [Call(sender, said["event"], said["properties"]) for said in _events(path, body)]
        self.server.vendors.take(calls)
        self.server.vendors.answering.wait(_PATIENCE)
        self._answer()

    def _answer(self) -> None:
        body = b'{"status": 1, "error": null}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
        self.send_header("Access-Control-Allow-Credentials", "true")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: pytest's output is for failures."""


def _events(path: str, body: bytes) -> list[dict[str, Any]]:
    """The events of a ``/track`` or ``/import``; none for what else the SDK asks for."""
    if path.strip("/") not in ("track", "import"):
        return []
    text = body.decode()
    if text.startswith("data="):
        text = parse_qs(text)["data"][0]
        if not text.startswith(("[", "{")):
            text = b64decode(text).decode()
    said = json.loads(text)
    return said if isinstance(said, list) else [said]
