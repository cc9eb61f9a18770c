"""Requests and response heads as the engine sees them: bytes as they came, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from kmproxy.names import Headers as Headers
from kmproxy.names import Names as Names
from kmproxy.names import names_of

_REMEMBERED = 16
_latest: dict[int, tuple[Headers, Names]] = {}
"""Names of the latest headers by their identity: to look them up by what they say costs as much as to ask.

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


def names(headers: Headers) -> Names:
    """The names in lower case, and where they stand: for the dozen questions a message is asked."""
    known = _latest.get(id(headers))
    return known[1] if known is not None else _remember(headers, names_of(headers))


def values(headers: Headers, name: bytes) -> list[bytes]:
    """All values of the header ``name`` (given in lower case), in order."""
    return [headers[place][1] for place in names(headers).places.get(name, ())]


def first(headers: Headers, name: bytes) -> bytes:
    """The first value of the header ``name`` (given in lower case), or ``b""``."""
    places = names(headers).places.get(name)
    return headers[places[0]][1] if places else b""


def tokens(headers: Headers, name: bytes) -> list[bytes]:
    """The comma-separated elements of a list header, in lower case (RFC 9110 §5.6.1)."""
    found = values(headers, name)
    return list(_elements(b",".join(found))) if found else []


def pick(headers: Headers, wanted: frozenset[bytes]) -> Headers:
    """The headers whose lower-case name is in ``wanted``."""
    return names(headers).pick(wanted)(headers)


def without(headers: Headers, unwanted: frozenset[bytes]) -> Headers:
    """The headers whose lower-case name is not in ``unwanted``; the same ones where there is none."""
    known = names(headers)
    take, left = known.rest(unwanted)
    if left is known:
        return headers
    kept = take(headers)
    _remember(kept, left)
    return kept


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


def _remember(headers: Headers, known: Names) -> Names:
    if len(_latest) >= _REMEMBERED:
        _latest.clear()
    _latest[id(headers)] = headers, known
    return known
