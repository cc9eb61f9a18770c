"""Pages seen before, ready to be filled: from a body as the upstream sent it to its template."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from isal import isal_zlib

from kmproxy.pages.compressed import CompressedTemplate

_REMEMBERED_SIGHTS = 65_536
"""Bodies of which it is known that they were seen once."""

_PLAIN_GZIP, _NAMED_GZIP = b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x08"
"""How a gzip header begins that has none of the optional fields, or only FNAME."""

_UNDATED_GZIP = _PLAIN_GZIP + bytes(4)
"""The same, and no MTIME."""


class Key(NamedTuple):
    """What a template depends on: no visitor, but the length of a visitor's text."""

    page: str
    """The page's host and origin, which decide where its links lead."""

    coding: bytes
    made: bytes
    """The codings in which it came and leaves."""

    length: int
    body: bytes
    """As the upstream sent it, whole, though ``undated``: nothing less tells two pages apart for certain."""

    def __hash__(self) -> int:
        # Many times faster than Python's own, and two bodies of one sum are told apart all the same.
        return isal_zlib.crc32(self.body)


def undated(coding: bytes, body: bytes) -> bytes:
    """A body without what its gzip header tells of a file: to some compressors each page is a new one.

    Python's put the time there, Django's noise for a name (RFC 1952 §2.3.1). No other body comes to the same.
    """
    if coding != b"gzip":
        return body
    if body.startswith(_UNDATED_GZIP):
        return body
    if body.startswith(_PLAIN_GZIP):
        return _UNDATED_GZIP + body[8:]
    end = body.find(b"\0", 10) if body.startswith(_NAMED_GZIP) else -1
    return body if end < 0 else _UNDATED_GZIP + body[8:10] + body[end + 1 :]


@dataclass(frozen=True, slots=True)
class Template:
    """What a body becomes."""

    compressed: CompressedTemplate | None
    """None: it leaves as it came, for there is nothing to decorate."""

    decorated: int
    skipped: Mapping[str, int]


@dataclass(slots=True)
class Patience:
    """How much all pages together may hold back, waiting for their ends."""

    left: int
    """Bytes."""


class Waiting:
    """What one page holds back; given back when it is done with, or gone."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._bytes = 0

    def grow(self, more: int) -> float:
        """The bytes that the page holds back with ``more``; infinitely many where it is too much for all."""
        self._bytes += more
        self._patience.left -= more
        return self._bytes if self._patience.left >= 0 else inf

    def __del__(self) -> None:
        self._patience.left += self._bytes


class Templates:
    """Templates, the latest used last; bounded in bytes."""

    def __init__(self, max_bytes: int, max_waiting: int = 1 << 24) -> None:
        self.patience = Patience(max_waiting)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._templates: OrderedDict[Key, Template] = OrderedDict()
        self._sights: OrderedDict[int, None] = OrderedDict()

    def get(self, key: Key) -> Template | None:
        """The template, if there is one."""
        template = self._templates.get(key)
        if template is not None:
            self._templates.move_to_end(key)
        return template

    def seen_before(self, key: Key) -> bool:
        """Whether the body was looked for before: then it is worth a template."""
        sight = hash(key)
        if sight in self._sights:
            return True
        self._sights[sight] = None
        if len(self._sights) > _REMEMBERED_SIGHTS:
            self._sights.popitem(last=False)
        return False

    def put(self, key: Key, template: Template) -> None:
        """Keep it, and let go of the longest unused."""
        if key in self._templates:
            return
        self._templates[key] = template
        self._bytes += _size(key, template)
        while self._bytes > self._max_bytes:
            self._bytes -= _size(*self._templates.popitem(last=False))


def _size(key: Key, template: Template) -> int:
    compressed = template.compressed
    # The tables of a checksum are 1,024 numbers.
    return 2048 + len(key.body) + (sum(map(len, compressed.parts)) + 40_000 if compressed else 0)
