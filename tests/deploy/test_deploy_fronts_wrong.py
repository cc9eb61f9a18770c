"""nginx and Caddy with the files users get, when things are large or go wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deploy_stack import HOST, Front, front, kmproxy

COOKIE = b"x" * 3900
"""About as much as browsers keep of one."""

ANSWER = b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=%b\r\n" % COOKIE * 6 + b"Content-Length: 0\r\n\r\n"

FRONTS = pytest.mark.parametrize("name", ["nginx", "caddy"])


@contextmanager
def _origin() -> Iterator[str]:
    """One that answers each connection once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(ANSWER)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def _ask(there: Front, target: str, headers: str = "") -> bytes:
    with there.connected("http/1.1") as connection:
        head = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}\r\n"
        connection.sendall(head.encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@FRONTS
def test_an_answer_with_many_large_cookies_comes_whole(name: str, tmp_path: Path) -> None:
    with _origin() as upstream, kmproxy(tmp_path, upstream) as port, front(name, tmp_path, port) as there:
        answer = _ask(there, "/")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(COOKIE) == 6


@FRONTS
def test_a_front_whose_kmproxy_is_down_logs_the_fault_and_no_identity(name: str, tmp_path: Path) -> None:
    with front(name, tmp_path, 9) as alone:
        headers = "Referer: https://shop.acme.example/?kmi=ann\r\nCookie: km_ni=ann\r\n"
        assert _ask(alone, "/?kmi=ann", headers).startswith(b"HTTP/1.1 502 ")
    assert "502" in alone.logs()
    assert "ann" not in alone.logs()
