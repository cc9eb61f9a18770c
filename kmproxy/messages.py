"""Requests and response heads as the engine sees them: bytes as they came, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import product
from typing import NamedTuple

Headers = tuple[tuple[bytes, bytes], ...]
"""Name and value pairs in wire order, case and duplicates kept."""

_Index = dict[bytes, tuple[bytes, ...]]

_REMEMBERED = 16
_indexes: dict[int, tuple[Headers, _Index]] = {}
"""Indexes of the latest headers by their identity: to compare them would cost more than to make one.

An id stays its object's own, for the object is kept beside it.
"""


class Request(NamedTuple):
    """What a visitor's browser asked, as it reached kmproxy."""

    method: str
    scheme: str
    """``http`` or ``https`` as the visitor typed it: a trusted proxy's word counts."""

    host: str
    """The Host header as sent, port included."""

    target: bytes
    """Path and query, raw (origin-form, RFC 9112 §3.2.1)."""

    headers: Headers


class Response(NamedTuple):
    """The head of a response: ``body`` only where kmproxy answers by itself."""

    status: int
    reason: bytes
    headers: Headers
    body: bytes = b""


def index(headers: Headers) -> _Index:
    """Lower-case names to values, in order: one pass for the dozen questions a message is asked."""
    known = _indexes.get(id(headers))
    return known[1] if known is not None else _remember(headers, _indexed(headers))


def values(headers: Headers, name: bytes) -> list[bytes]:
    """All values of the header ``name`` (given in lower case), in order."""
    return list(index(headers).get(name, ()))


def first(headers: Headers, name: bytes) -> bytes:
    """The first value of the header ``name`` (given in lower case), or ``b""``."""
    found = index(headers).get(name)
    return found[0] if found else b""


def tokens(headers: Headers, name: bytes) -> list[bytes]:
    """The comma-separated elements of a list header, in lower case (RFC 9110 §5.6.1)."""
    found = index(headers).get(name)
    return list(_elements(b",".join(found))) if found else []


def without(headers: Headers, names: AbstractSet[bytes]) -> Headers:
    """The headers whose lower-case name is not in ``names``."""
    known = _indexes.get(id(headers))
    if known is not None and names.isdisjoint(known[1]):
        return headers
    return tuple([pair for pair in headers if pair[0].lower() not in names])


def spellings(names: Iterable[bytes]) -> frozenset[bytes]:
    """``names`` with "_" for any "-" as well: CGI and WSGI make one variable of X-A-B and X_A_B."""
    return frozenset(
        bytes(way)
        for name in names
        for way in product(*[b"-_" if letter == b"-"[0] else (letter,) for letter in name])
    )


@lru_cache(maxsize=1024)
def _elements(said: bytes) -> tuple[bytes, ...]:
    return tuple([token for part in said.lower().split(b",") if (token := part.strip())])


def _indexed(headers: Headers) -> _Index:
    fields: _Index = {}
    for name, value in headers:
        low = name.lower()
        fields[low] = (*fields[low], value) if low in fields else (value,)
    return fields


def _remember(headers: Headers, fields: _Index) -> _Index:
    if len(_indexes) >= _REMEMBERED:
        _indexes.clear()
    _indexes[id(headers)] = headers, fields
    return fields
