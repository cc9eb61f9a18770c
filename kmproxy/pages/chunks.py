"""Chunks: what a stretch of a page became, remembered for the next page that holds it.

Most pages of a route differ in a token, a name, a date. So a page is cut at content-defined
places, and each chunk is scanned once for the state it begins in. A cut is the first tag
after ``MIN_CHUNK`` bytes: where a difference changes no more than a few bytes' length, the
cuts behind it fall where they fell before.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from kmproxy.pages.elements import QUERY
from kmproxy.pages.scanner import Scanner, State

MIN_CHUNK = 6_144
MAX_CHUNK = 24_576

_RESCAN_ABOVE = 4_096
"""Bytes of an unfinished tag above which a pause does not make it be looked at again, nor remembered."""


class Texts(NamedTuple):
    """What goes into the slots, for each kind of ``elements``."""

    query: bytes
    fields: bytes = b""


class Key(NamedTuple):
    """What a chunk's pieces depend on."""

    page: str
    """The page's host: it decides which links lead elsewhere."""

    before: State
    is_last: bool
    data: bytes


@dataclass(slots=True, eq=False)
class Chunk:
    """Pieces with a slot between each two; it knows nothing of any visitor."""

    pieces: tuple[bytes, ...]
    kinds: tuple[int, ...]
    """For each slot, which text goes there; empty if all are ``QUERY``."""

    after: State
    skipped: dict[str, int]
    sights: int = 0
    number: int = field(default_factory=itertools.count(1).__next__)
    """Its own, for as long as the process lives."""

    blocks: dict[tuple[int, int], tuple[bytes, ...] | None] = field(default_factory=dict)
    """What it is compressed, by the number of the chunk before (0: none) and the text's length;
    None for tried in vain."""

    @property
    def slots(self) -> int:
        """How many there are."""
        return len(self.pieces) - 1

    def filled(self, texts: Texts) -> bytes:
        """The chunk as it leaves."""
        if not self.kinds:
            return texts.query.join(self.pieces)
        parts = [self.pieces[0]]
        for kind, piece in zip(self.kinds, self.pieces[1:], strict=True):
            parts += texts[kind], piece
        return b"".join(parts)


class ChunkCache:
    """Chunks seen, the latest used last; bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._chunks: OrderedDict[Key, Chunk] = OrderedDict()

    def get(self, key: Key) -> Chunk | None:
        """The chunk, counted as seen once more."""
        chunk = self._chunks.get(key)
        if chunk is not None:
            chunk.sights += 1
            self._chunks.move_to_end(key)
        return chunk

    def put(self, key: Key, chunk: Chunk) -> None:
        """Keep it, and let go of the longest unused."""
        self._chunks[key] = chunk
        self._bytes += _size(key)
        while self._bytes > self._max_bytes:
            self._bytes -= _size(self._chunks.popitem(last=False)[0])


def _size(key: Key) -> int:
    # The bytes themselves, the pieces, and their compressed forms, near enough.
    return 3 * len(key.data) + len(key.before.held) + 1024


class PageScan:
    """One page on its way through a scanner, cut into chunks.

    ``page`` names what a slot's place may depend on besides the bytes: the page's host.
    """

    def __init__(self, scanner: Scanner, page: str, base: str, cache: ChunkCache) -> None:
        self._scanner = scanner
        self._page = page
        self._cache = cache
        self._state = State(base=base)
        self._pending = b""
        self.decorated = 0
        self.skipped: dict[str, int] = {}

    def leads_nowhere(self, page: bytes) -> bool:
        """Whether a whole page names no host that a link could be decorated for."""
        return self._scanner.leads_nowhere(page)

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that are whole by now."""
        self._pending = self._pending + data if self._pending else data
        return list(self._cut())

    def flush(self) -> list[Chunk]:
        """What is decided by now, whole chunks or not: for a page that pauses."""
        held = len(self._state.held)
        if not self._pending or (held > _RESCAN_ABOVE and 4 * len(self._pending) < held):
            return []
        data, self._pending = self._pending, b""
        return [self._count(self._walk(data))]

    def finish(self) -> list[Chunk]:
        """The rest of the page; a tag that never ended is no tag."""
        data, self._pending = self._pending, b""
        return [self._count(self._seen(data, final=True))]

    def _cut(self) -> Iterator[Chunk]:
        data, start = self._pending, 0
        while (end := self._end_of_chunk(data, start)) > 0:
            yield self._count(self._seen(data[start:end]))
            start = end
        self._pending = data[start:]

    def _end_of_chunk(self, data: bytes, start: int) -> int:
        """Where the chunk that begins at ``start`` ends; 0 if that can't be said yet."""
        # An unfinished tag is looked at again only when it has grown by a quarter: linear in the end.
        least = start + max(MIN_CHUNK, len(self._state.held) // 4)
        most = least + MAX_CHUNK - MIN_CHUNK
        if len(data) <= least:
            return 0
        end = data.find(b"<", least, most)
        return end if end > 0 else (most if len(data) >= most else 0)

    def _seen(self, data: bytes, *, final: bool = False) -> Chunk:
        if len(self._state.held) > _RESCAN_ABOVE:
            return self._walk(data, final=final)
        key = Key(self._page, self._state, final, data)
        chunk = self._cache.get(key)
        if chunk is None:
            chunk = self._walk(data, final=final)
            self._cache.put(key, chunk)
        return chunk

    def _walk(self, data: bytes, *, final: bool = False) -> Chunk:
        walked = self._scanner.walk(self._state, data, final=final)
        kinds = tuple(walked.kinds) if any(kind != QUERY for kind in walked.kinds) else ()
        return Chunk(tuple(walked.pieces), kinds, walked.after, walked.skipped)

    def _count(self, chunk: Chunk) -> Chunk:
        self._state = chunk.after
        self.decorated += chunk.slots
        for reason, count in chunk.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        return chunk
