"""nginx or Caddy with its file as it stands, before ``kmproxy serve``; and curl, as the browser."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy_kit import CONFIG, KMPROXY, certificate, nginx_files
from needs import program

HOST = "www.acme-blog.example"

_KMPROXY = """\
[server]
listen = ["127.0.0.1:0"]
admin = ""
[[site]]
name = "acme"
kissmetrics = {{ api_key = "key", endpoint = "http://127.0.0.1:9" }}
[[site.domain]]
host = "{host}"
upstream = "{origin}"
[[site.domain]]
host = "shop.acme.example"
upstream = "{origin}"
"""


class Front:
    """A running front, and the kmproxy behind it."""

    def __init__(self, name: str, port: int, proxy: int, folder: Path) -> None:
        self.name = name
        self.port = port
        self._proxy = proxy
        self._folder = folder

    def logs(self) -> str:
        """All that the front has logged."""
        return "".join(path.read_text() for path in self._folder.glob("*.log"))

    @contextmanager
    def connected(self, *protocols: str) -> Iterator[ssl.SSLSocket]:
        """A connection over TLS for one of the ``protocols``."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(list(protocols))
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            yield secure

    def asking(self, target: str, *options: str | Path, version: str = "2") -> list[str | Path]:
        """The command by which curl asks the front, in HTTP of that version."""
        http = "--http2" if version == "2" else "--http1.1"
        url = f"https://{HOST}:{self.port}{target}"
        there = f"{HOST}:{self.port}:127.0.0.1"
        return [*_curl(http), "--insecure", "--resolve", there, "--header", f"Host: {HOST}", *options, url]

    def asking_behind(self, target: str, *options: str) -> list[str | Path]:
        """The command by which curl asks kmproxy alone."""
        address = f"http://127.0.0.1:{self._proxy}{target}"
        said = ("--header", f"Host: {HOST}", "--header", "X-Forwarded-Proto: https")
        return [*_curl("--http1.1"), *said, *options, address]


def _curl(http: str) -> list[str]:
    return [program("curl", "curl"), http, "--silent", "--no-buffer", "--path-as-is", "--max-time", "20"]


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What comes, up to ``end``."""
    data = b""
    while end not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


@contextmanager
def kmproxy(folder: Path, upstream: str) -> Iterator[int]:
    """The port of ``kmproxy serve``."""
    (folder / "kmproxy.toml").write_text(_KMPROXY.format(host=HOST, origin=upstream))
    process = subprocess.Popen([KMPROXY, "serve"], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        listening = next(line for line in process.stdout if "listening on" in line)
        yield int(listening.rpartition(":")[2])
    finally:
        _end(process)
        process.stdout.close()


@contextmanager
def front(name: str, folder: Path, proxy: int) -> Iterator[Front]:
    """``name`` with its file from ``config/``, before the kmproxy at the port ``proxy``."""
    port, other = _free_ports()
    command = (_nginx if name == "nginx" else _caddy)(folder, proxy, port, other)
    with (folder / "front.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}
        )
    try:
        _await(port, process)
        yield Front(name, port, proxy, folder)
    finally:
        _end(process)


def _nginx(folder: Path, proxy: int, port: int, other: int) -> list[str]:
    nginx = program("nginx", "nginx-light")
    cert, key = certificate(folder)
    text = (CONFIG / "nginx.conf").read_text()
    text = re.sub(r"listen \[::\]:.*", "", text)
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
        "listen 80", f"listen 127.0.0.1:{other}"
    )
    text = text.replace("/etc/nginx/tls/acme.pem", str(cert)).replace("/etc/nginx/tls/acme.key", str(key))
    text = text.replace("/var/log/nginx", str(folder)).replace("127.0.0.1:8080", f"127.0.0.1:{proxy}")
    return [nginx, "-p", str(folder), "-c", str(nginx_files(folder, text))]


def _caddy(folder: Path, proxy: int, port: int, other: int) -> list[str]:
    caddy = program("caddy", "caddy")
    cert, key = certificate(folder)
    text = (CONFIG / "Caddyfile").read_text().replace("127.0.0.1:8080", f"127.0.0.1:{proxy}")
    options = f"admin off\n\thttp_port {other}\n\thttps_port {port}\n\tauto_https disable_redirects"
    text = text.replace("\n{\n", f"\n{{\n\t{options}\n", 1)
    site = f"{HOST} {{\n\tbind 127.0.0.1\n\ttls {cert} {key}"
    text = text.replace(f"{HOST}, shop.acme.example {{", site)
    (folder / "Caddyfile").write_text(text)
    return [caddy, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return int(one.getsockname()[1]), int(two.getsockname()[1])


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        assert process.poll() is None, "the front ended"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError("the front does not listen")


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(20)
