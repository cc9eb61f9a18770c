"""Where an upstream listens, and how a connection to it is opened."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from kmproxy.upstream.tls import client_context

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Address:
    """``host`` (a name, or an address) and ``port``, or the ``path`` of a unix socket; with ``tls``, TLS.

    The certificate must be for ``server_name``, which is also what SNI asks for; ``""`` is ``host``.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: ssl.SSLContext | None = None
    server_name: str = ""

    @classmethod
    def of(
        cls,
        url: str,
        ca: str = "",
        server_name: str = "",
        context: Callable[[str], ssl.SSLContext] = client_context,
    ) -> Address:
        """Out of ``http://host[:port]``, ``https://host[:port]`` or ``unix:/path``; ``ca`` is a PEM file."""
        if url.startswith("unix:"):
            return cls(path=url.removeprefix("unix:"))
        said = urlsplit(url)
        host = said.hostname or ""
        if said.scheme == "http":
            return cls(host, said.port or 80)
        return cls(host, said.port or 443, tls=context(ca), server_name=server_name)

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"

    async def connect(self, protocol: Callable[[], _Protocol]) -> _Protocol:
        """An open connection, its certificate verified. Raises OSError, UnicodeError; has no timeout."""
        loop = asyncio.get_running_loop()
        if self.path:
            _, made = await loop.create_unix_connection(protocol, self.path)
        elif self.tls is None:
            _, made = await loop.create_connection(protocol, self.host, self.port)
        else:
            name = self.server_name or self.host
            _, made = await loop.create_connection(
                protocol, self.host, self.port, ssl=self.tls, server_hostname=name
            )
        return made
