"""Chunks: what a stretch of a page became, remembered for the next page that holds it.

A chunk knows which ones came after it, so that on the next page a comparison finds them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from isal import isal_zlib

from kmproxy.pages.scanner import State

MOST_FOLLOWERS = 16
"""Chunks of which is known that they came after one."""

_MOST_STARTS = 1_024
_MOST_SIGHTS = 16_384


class Texts(NamedTuple):
    """What goes into the slots, for each kind of ``elements``."""

    query: bytes
    fields: bytes = b""


class Key(NamedTuple):
    """What a chunk's pieces depend on."""

    page: str
    """The page's host: it decides which links lead elsewhere."""

    before: State
    data: bytes


@dataclass(slots=True, eq=False)
class Chunk:
    """Pieces with a slot between each two; it knows nothing of any visitor."""

    key: Key
    pieces: tuple[bytes, ...]
    kinds: tuple[int, ...]
    """For each slot, which text goes there; empty if all are ``QUERY``."""

    after: State
    skipped: dict[str, int]
    number: int = 0
    """Its own, for as long as the process lives; 0 for one that is not kept."""

    sights: int = 0
    followers: list[int] = field(default_factory=list)
    """The numbers of chunks that came after it, the latest found first."""

    blocks: dict[tuple[int, int], tuple[bytes, ...] | None] = field(default_factory=dict)
    """What it is compressed, by the number of the chunk before (0: whatever it is) and the text's
    length; None for tried in vain."""

    @property
    def is_place(self) -> bool:
        """Whether what follows it may be expected."""
        return bool(self.number) or not self.key.data

    @property
    def slots(self) -> int:
        """How many there are."""
        return len(self.pieces) - 1

    def follow(self, chunk: Chunk) -> None:
        """Have ``chunk`` expected after this one."""
        if chunk.number not in self.followers:
            self.followers = [chunk.number, *self.followers[: MOST_FOLLOWERS - 1]]

    def filled(self, texts: Texts) -> bytes:
        """The chunk as it leaves."""
        if not self.kinds:
            return texts.query.join(self.pieces)
        parts = [self.pieces[0]]
        for kind, piece in zip(self.kinds, self.pieces[1:], strict=True):
            parts += texts[kind], piece
        return b"".join(parts)


class ChunkCache:
    """Chunks seen more than once; bounded in bytes, those not used for the longest go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._count = 0
        self._chunks: dict[Key, Chunk] = {}
        self._by_number: OrderedDict[int, Chunk] = OrderedDict()
        self._starts: OrderedDict[tuple[str, State], Chunk] = OrderedDict()
        self._sights: set[int] = set()
        self._older_sights: set[int] = set()

    def get(self, key: Key) -> Chunk | None:
        """The chunk of these very bytes, there and then."""
        chunk = self._chunks.get(key)
        if chunk:
            self.use(chunk)
        return chunk

    def use(self, chunk: Chunk) -> None:
        """Have it let go later, if it is kept."""
        if chunk.number in self._by_number:
            self._by_number.move_to_end(chunk.number)

    def followers(self, chunk: Chunk) -> list[Chunk]:
        """Those of the chunks that came after it that are still kept."""
        kept = self._by_number
        return [kept[number] for number in chunk.followers if number in kept]

    def expected(self, last: Chunk, state: State, data: bytes, start: int) -> Chunk | None:
        """The chunk that begins at ``start``, if it came after ``last`` before."""
        for number in last.followers:
            chunk = self._by_number.get(number)
            if chunk and data.startswith(chunk.key.data, start) and chunk.key.before == state:
                self._by_number.move_to_end(number)
                return chunk
        return None

    def start(self, page: str, state: State) -> Chunk:
        """What stands for the place before a page's first chunk."""
        chunk = self._starts.get((page, state))
        if chunk is None:
            chunk = self._starts[page, state] = Chunk(Key(page, state, b""), (b"",), (), state, {})
            if len(self._starts) > _MOST_STARTS:
                self._starts.popitem(last=False)
        return chunk

    def seen_before(self, data: bytes) -> bool:
        """Whether a stretch was asked for before: then it is worth a chunk."""
        sight = isal_zlib.crc32(data)
        if sight in self._sights or sight in self._older_sights:
            return True
        self._sights.add(sight)
        if len(self._sights) >= _MOST_SIGHTS:
            self._sights, self._older_sights = set(), self._sights
        return False

    def put(self, chunk: Chunk) -> Chunk:
        """Keep it, give it a number, and let go of what was not used for the longest; gives what is kept."""
        if chunk.key in self._chunks:
            return self._chunks[chunk.key]
        self._count += 1
        chunk.number = self._count
        self._chunks[chunk.key] = self._by_number[chunk.number] = chunk
        self._bytes += _size(chunk)
        while self._bytes > self._max_bytes:
            last = self._by_number.popitem(last=False)[1]
            del self._chunks[last.key]
            self._bytes -= _size(last)
        return chunk


def _size(chunk: Chunk) -> int:
    # The bytes themselves, the pieces, a few compressed forms, and what Python adds, near enough.
    return 3 * len(chunk.key.data) + len(chunk.key.before.held) + 128 * chunk.slots + 2048
