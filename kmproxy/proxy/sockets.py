"""The sockets that are listened on, open before anything is answered from them."""

from __future__ import annotations

import errno
import socket
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from kmproxy.config.model import Server
from kmproxy.errors import KmproxyError

BACKLOG = 2048
"""Connections that may wait to be taken; the kernel bounds it by ``net.core.somaxconn``."""


class ListenError(KmproxyError):
    """An address can't be listened on."""


class Listening(NamedTuple):
    """One address, and the sockets of it."""

    address: str
    """As users read it: ``http://host:port``, ``https://host:port`` or ``unix:/path``."""

    sockets: tuple[socket.socket, ...]
    """More than one where a name has several addresses."""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken on it."""
        return self.address.startswith("https:")

    def close(self) -> None:
        for one in self.sockets:
            one.close()


def open_all(server: Server, copies: int = 1) -> list[list[Listening]]:
    """The addresses of ``server.listen``, opened for each of ``copies`` processes. Raises ListenError.

    Each process has a socket of its own of every TCP address, among which the kernel shares out what comes
    in. Who holds them all, as the parent does, loses no connection that waits for a process to be replaced.
    """
    opened: list[Sequence[Listening]] = []
    for address in server.listen:
        try:
            opened.append(_open(address, copies, bool(server.tls)))
        except OSError as error:
            for listening in chain(*opened):
                listening.close()
            raise ListenError(f"{address}: can't listen: {error.strerror or error}") from error
    return [list(own) for own in zip(*opened, strict=True)]


def adopted(inherited: Iterable[socket.socket], server: Server) -> list[Listening]:
    """Sockets that somebody else has opened, such as systemd, in the place of ``server.listen``.

    With TLS, one on the port of an ``http://`` address there stays plain.
    """
    plain = {address.rpartition(":")[2] for address in server.listen if address.startswith("http://")}
    return [Listening(_written(one, server, plain), (one,)) for one in inherited]


def shared_by(listening: Iterable[Listening], copies: int) -> list[list[Listening]]:
    """The same sockets for each of ``copies`` processes."""
    return [list(own) for own in zip(*(_shared(one, copies) for one in listening), strict=True)]


def _open(address: str, copies: int, tls: bool) -> Sequence[Listening]:
    path = address.removeprefix("unix:")
    if path != address:
        return _shared(Listening(address, (_unix(path),)), copies)
    host, _, port = address.removeprefix("http://").rpartition(":")
    scheme = "https" if tls and not address.startswith("http://") else "http"
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    rows = [_tcp(family, where, copies) for family, _, _, _, where in dict.fromkeys(found)]
    shown = f"{scheme}://{host}:{rows[0][0].getsockname()[1]}"
    return [Listening(shown, tuple(own)) for own in zip(*rows, strict=True)]


def _shared(listening: Listening, copies: int) -> list[Listening]:
    return [
        listening,
        *(listening._replace(sockets=tuple(s.dup() for s in listening.sockets)) for _ in range(copies - 1)),
    ]


def _tcp(family: socket.AddressFamily, where: tuple[object, ...], copies: int) -> list[socket.socket]:
    """``copies`` sockets of one address that nobody else has.

    Only from the second on they are bound with SO_REUSEPORT: the first would else be bound beside those of
    another program of the same user, which would get a part of the connections.
    """
    first = _bound(family, where, shared=False)
    opened = [first]
    try:
        if copies > 1:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened += [_bound(family, first.getsockname(), shared=True) for _ in range(copies - 1)]
        for one in opened:
            one.listen(BACKLOG)
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def _bound(family: socket.AddressFamily, where: tuple[object, ...], *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        one.bind(where)
    except OSError:
        one.close()
        raise
    one.setblocking(False)
    return one


def _unix(path: str) -> socket.socket:
    """A socket in the file system; one that a former process has left there is replaced.

    All may connect, as to a TCP port and as with nginx: a front is another user. The folder says who may not.
    """
    if _is_left(path):
        Path(path).unlink()
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.bind(path)
        Path(path).chmod(0o666)
    except OSError:
        one.close()
        raise
    one.listen(BACKLOG)
    one.setblocking(False)
    return one


def _is_left(path: str) -> bool:
    """Whether there is a socket on which nobody listens any more."""
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.setblocking(False)
        return stat.S_ISSOCK(Path(path).stat().st_mode) and one.connect_ex(path) not in (0, errno.EAGAIN)
    return False


def _written(one: socket.socket, server: Server, plain: set[str]) -> str:
    name = one.getsockname()
    if one.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[:2]
    scheme = "https" if server.tls and str(port) not in plain else "http"
    return f"{scheme}://[{host}]:{port}" if one.family == socket.AF_INET6 else f"{scheme}://{host}:{port}"
