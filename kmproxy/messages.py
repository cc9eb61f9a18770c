"""Requests and response heads as the engine sees them: bytes as they came, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

Headers = tuple[tuple[bytes, bytes], ...]
"""Name and value pairs in wire order, case and duplicates kept."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a visitor's browser asked, as it reached kmproxy."""

    method: str
    scheme: str
    """``http`` or ``https`` as the visitor typed it: a trusted proxy's word counts."""

    host: str
    """The Host header as sent, port included."""

    target: bytes
    """Path and query, raw (origin-form, RFC 9112 §3.2.1)."""

    headers: Headers


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response: ``body`` only where kmproxy answers by itself."""

    status: int
    reason: bytes
    headers: Headers
    body: bytes = b""


@lru_cache(maxsize=16)
def _fields(headers: Headers) -> dict[bytes, list[bytes]]:
    """Lower-case names to values: one pass for the dozen questions a message is asked."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    return fields


def values(headers: Headers, name: bytes) -> list[bytes]:
    """All values of the header ``name`` (given in lower case), in order."""
    return list(_fields(headers).get(name, ()))


def first(headers: Headers, name: bytes) -> bytes:
    """The first value of the header ``name`` (given in lower case), or ``b""``."""
    found = _fields(headers).get(name)
    return found[0] if found else b""


def without(headers: Headers, names: Iterable[bytes]) -> Headers:
    """The headers whose lower-case name is not in ``names``."""
    unwanted = _fields(headers).keys() & frozenset(names)
    return tuple(pair for pair in headers if pair[0].lower() not in unwanted) if unwanted else headers


def tokens(headers: Headers, name: bytes) -> list[bytes]:
    """The comma-separated elements of a list header, in lower case (RFC 9110 §5.6.1)."""
    found = _fields(headers).get(name)
    if not found:
        return []
    joined = b",".join(found).lower()
    return [token for part in joined.split(b",") if (token := part.strip())]
