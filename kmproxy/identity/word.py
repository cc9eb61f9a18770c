"""Words: what an app says of its visitor, by response headers or inside the process, or a form of it.

``X-KM-Identify: <id>``, ``X-KM-Alias: <id>``, ``X-KM-Clear-Identity: 1`` and ``X-KM-Record: <event>``
each do what the vendors' JavaScript does at the call of that name.

A value is UTF-8, percent-encoded wherever the app likes, as on a link: ``ann@acme.example`` and
``encodeURIComponent``'s ``ann%40acme.example`` are one ID, so a percent sign of the ID's own is
``%25``. Most frameworks send what is not ASCII as Latin-1, or not at all: percent-encode it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from kmproxy.identity import cookies as cookie
from kmproxy.messages import Headers, names

What = Literal["identify", "alias", "clear", "record"]

_CALLS: dict[bytes, What] = {
    b"x-km-identify": "identify",
    b"x-km-alias": "alias",
    b"x-km-clear-identity": "clear",
    b"x-km-record": "record",
}
HEADERS = frozenset(_CALLS)
"""Lower-case names of the response headers, which reach no browser."""

_NO = (b"", b"0", b"false")

# Django writes what is not Latin-1 so (RFC 2047), which no HTTP header may hold (RFC 9110 §5.5).
_ENCODED_WORD = re.compile(rb"=\?[^? ]+\?[bq]\?[^? ]*\?=", re.IGNORECASE)


class Word(NamedTuple):
    """One call."""

    what: What
    value: str | None = ""
    """The ID or the event; None where its bytes can't be read."""

    properties: Mapping[str, str] = MappingProxyType({})
    """Of a ``record``."""


def words(headers: Headers) -> list[Word]:
    """What a response's headers say, in their order. Each line is one word, whatever commas it holds."""
    if not names(headers).holds(HEADERS):
        return []
    said = [(_CALLS[low], value.strip()) for name, value in headers if (low := name.lower()) in _CALLS]
    return [
        Word(what, "" if what == "clear" else _decoded(value))
        for what, value in said
        if what != "clear" or value.lower() not in _NO
    ]


def _decoded(value: bytes) -> str | None:
    return None if _ENCODED_WORD.search(value) else cookie.decode(value)
