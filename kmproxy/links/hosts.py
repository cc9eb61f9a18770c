"""Which of a set of configured host names a host is: exact, or below a wildcard."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9_*-]+(\.[a-z0-9_-]+)+")


class HostMap(Generic[T]):
    """Host patterns (``www.a.example``, ``*.a.example``) to values; the most specific wins."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[str, T] = {}
        self._below: dict[str, T] = {}
        for pattern, value in entries:
            if pattern.startswith("*."):
                self._below[pattern[2:]] = value
            else:
                self._exact[pattern] = value

    def find(self, host: str) -> T | None:
        """The value for ``host`` (lower case, no port), or None."""
        found = self._exact.get(host)
        if found is not None or not self._below:
            return found
        # Below a wildcard anybody may write the name: markup, a path or a user name is none.
        parent = host if _NAME.fullmatch(host) else ""
        while "." in parent:
            parent = parent.partition(".")[2]
            if parent in self._below:
                return self._below[parent]
        return None


@lru_cache(maxsize=4096)
def bare_host(authority: str) -> str:
    """The host of a Host header: lower case, without port and final dot.

    >>> bare_host("Shop.Acme.example.:8080")
    'shop.acme.example'
    """
    host, colon, port = authority.lower().rpartition(":")
    if not colon or (port and not (port.isascii() and port.isdigit())):
        host = authority.lower()
    return host.removesuffix(".")
