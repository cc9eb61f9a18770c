"""Listening: one socket for each process, and nobody else on the address."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kmproxy.config.model import Server
from kmproxy.proxy.sockets import ListenError, Listening, adopted, open_all, shared_by


@contextmanager
def opened(copies: int, *listen: str) -> Iterator[list[list[Listening]]]:
    with ExitStack() as stack:
        sets = open_all(Server(listen=listen), copies)
        for own in sets:
            for listening in own:
                stack.callback(listening.close)
        yield sets


def test_the_kernel_shares_out_what_comes_in(tmp_path: Path) -> None:
    with opened(2, "127.0.0.1:0", f"unix:{tmp_path}/k.sock") as sets, ExitStack() as clients:
        assert [one.address for one in sets[0]] == [one.address for one in sets[1]]
        where = sets[0][0].sockets[0].getsockname()
        for _ in range(64):
            clients.enter_context(socket.create_connection(where))
        taken = [_accepted(own[0].sockets[0], clients) for own in sets]
        assert sum(taken) == 64
        assert min(taken) > 0
        clients.enter_context(one := socket.socket(socket.AF_UNIX)).connect(f"{tmp_path}/k.sock")
        assert sum(_accepted(own[1].sockets[0], clients) for own in sets) == 1
        assert one.getpeername() == f"{tmp_path}/k.sock"


def test_a_unix_socket_is_taken_from_nobody_and_all_may_connect(tmp_path: Path) -> None:
    path = tmp_path / "k.sock"
    mask = os.umask(0o077)
    try:
        with opened(1, f"unix:{path}"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
            with pytest.raises(ListenError, match=r"k\.sock: can't listen: Address already in use"):
                open_all(Server(listen=(f"unix:{path}",)))
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(str(path))
        with opened(1, f"unix:{path}"), socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
    finally:
        os.umask(mask)


def _accepted(one: socket.socket, clients: ExitStack) -> int:
    count = 0
    while True:
        try:
            clients.enter_context(one.accept()[0])
        except BlockingIOError:
            return count
        count += 1


def test_nobody_else_gets_a_part_of_the_connections() -> None:
    with opened(2, "127.0.0.1:0") as sets:
        where = sets[0][0].address.removeprefix("http://")
        for copies in (1, 2):
            with pytest.raises(ListenError, match=f"{where}: can't listen: Address already in use"):
                open_all(Server(listen=(where,)), copies)


def test_what_was_opened_is_closed_where_another_address_can_not_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a socket")
    with pytest.raises(ListenError, match="file: can't listen"):
        open_all(Server(listen=("127.0.0.1:0", f"unix:{path}")))
    assert path.read_text() == "not a socket"


def test_a_name_is_listened_on_at_all_its_addresses_and_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    listen = ("localhost:0", f"unix:{tmp_path}/k.sock")
    for _ in range(2):
        with opened(1, *listen) as ((name, path),):
            assert name.address.startswith("http://localhost:")
            assert {one.getsockname()[1] for one in name.sockets} == {int(name.address.split(":")[-1])}
            assert path.address == listen[1]


def test_sockets_of_somebody_else_are_told_as_they_are(tmp_path: Path) -> None:
    server = Server(tls=({"cert": "a", "key": "b"},))
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "k.sock"))
        found = adopted([tcp, unix], server)
        assert [one.address for one in found] == [
            f"https://127.0.0.1:{tcp.getsockname()[1]}",
            f"unix:{tmp_path}/k.sock",
        ]
        assert [one.secure for one in found] == [True, False]
        plain = server.model_copy(update={"listen": (f"http://0.0.0.0:{tcp.getsockname()[1]}",)})
        assert adopted([tcp], plain)[0].address.startswith("http://127.0.0.1:")
        ours, theirs = shared_by(found, 2)
        assert ours == found
        for one in theirs:
            assert one.sockets[0].fileno() not in (tcp.fileno(), unix.fileno())
            one.close()
