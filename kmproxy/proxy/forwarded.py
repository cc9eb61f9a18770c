"""The ``Forwarded`` header (RFC 7239), as a trusted proxy says it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_ELEMENT = re.compile(rb'(?:[^,"]|"[^"]*")+')
_PARAMETER = re.compile(rb'([A-Za-z]+)=(?:"([^"]*)"|([^",;\s]*))')
_NODE = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9A-Za-z._-]+)(?::\d+)?")


class Said(NamedTuple):
    """What the elements say."""

    chain: tuple[bytes, ...] = ()
    """Whom each hop was asked by: addresses without ports, ``unknown`` where there is none."""

    proto: bytes = b""
    """The last hop's word on the scheme, in lower case."""

    host: bytes = b""
    """The last hop's word on the host."""


@lru_cache(maxsize=1024)
def read(value: bytes) -> Said:
    """The elements of ``value``; a host or scheme only from the last: it is the trusted proxy's own.

    >>> read(b'for=192.0.2.1:80, for="[2001:db8::1]";proto=https')
    Said(chain=(b'192.0.2.1', b'2001:db8::1'), proto=b'https', host=b'')
    """
    elements = [
        {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(element)}
        for element in _ELEMENT.findall(value)
    ]
    if not elements:
        return Said()
    last = elements[-1]
    chain = tuple(_node(element.get(b"for", b"")) for element in elements)
    return Said(chain, last.get(b"proto", b"").lower(), last.get(b"host", b""))


def element(peer: str) -> bytes:
    """What this hop adds: it was asked by ``peer``.

    >>> element("::1")
    b'for="[::1]"'
    """
    return b'for="[%b]"' % peer.encode() if ":" in peer else b"for=%b" % (peer.encode() or b"unknown")


def _node(written: bytes) -> bytes:
    found = _NODE.fullmatch(written)
    return (found[1] or found[2]) if found else b"unknown"
