"""Encoding a page chunk by chunk: what a chunk was compressed to is used again.

In gzip a chunk is a run of deflate blocks that ends at a byte, compressed with the chunk
before as its dictionary. It is the same bytes, but for the visitor's text, whenever the
same two chunks follow each other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Protocol

from isal import isal_zlib

from kmproxy.pages import codings
from kmproxy.pages.chunks import Chunk, Texts
from kmproxy.pages.compressed import GZIP_HEAD
from kmproxy.pages.marked import WINDOW, Deflater, compress, marker, stored, two_texts

WORTH_BUILDING = 2
"""Sights of a kept chunk at which it is compressed for good."""

_MOST_BLOCKS = 4
"""Compressed forms kept of one chunk: by what came before, and by the length of the text."""

_MOST_JOBS = 32
"""Chunks compressed for good on behalf of one page."""

_SHORT = 128
"""Bytes that are not worth a compressor of their own."""

_LAST_BLOCK = b"\x03\x00"
"""An empty final block with fixed codes (RFC 1951 §3.2.3)."""

Job = Callable[[], None]
"""Work that is not for the path of a request."""


class ChunkEncoder(Protocol):
    """Chunks in, encoded bytes out."""

    @property
    def jobs(self) -> list[Job]:
        """What would make the next page cheaper."""

    def write(self, chunk: Chunk, texts: Texts) -> bytes: ...

    def rest(self) -> bytes:
        """What is held back by what need not be kept until more comes."""

    def flush(self) -> bytes: ...

    def finish(self) -> bytes: ...


class Streamed:
    """Chunks filled and put through an encoder."""

    def __init__(self, encoder: codings.Encoder) -> None:
        self._encoder = encoder
        self.jobs: list[Job] = []
        self.flush = encoder.flush
        self.finish = encoder.finish

    def write(self, chunk: Chunk, texts: Texts) -> bytes:
        filled = chunk.filled(texts)
        return self._encoder.write(filled) if filled else b""

    def rest(self) -> bytes:
        return b""


class GzipBlocks:
    """gzip, of blocks compressed before where there are any."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self._crc = 0
        self._size = 0
        self._before: Chunk | None = None
        self._window = b""
        self._stream: codings.Deflating | None = None
        """Open while chunks are compressed for this page alone."""

    def write(self, chunk: Chunk, texts: Texts) -> bytes:
        plain = chunk.filled(texts)
        if not plain:
            return b""
        head = b"" if self._size else GZIP_HEAD
        self._crc = isal_zlib.crc32(plain, self._crc)
        self._size += len(plain)
        # After a chunk that is not kept, the next one stands on its own.
        key = (self._before.number if self._before else 0, len(texts.query))
        parts = chunk.blocks.get(key)
        if parts is None:
            self._want(chunk, key)
            out = self._compressed(plain)
        else:
            out = texts.query.join(parts)
            if self._stream:
                out = self.rest() + out
        self._before, self._window = chunk, plain
        return head + out

    def rest(self) -> bytes:
        """What the open stream holds back, to the byte; it takes some 350 KB, and the window will do."""
        held: bytes = self._stream.flush(isal_zlib.Z_SYNC_FLUSH) if self._stream else b""
        self._stream = None
        return held

    flush = rest

    def finish(self) -> bytes:
        head = b"" if self._size else GZIP_HEAD
        return head + self.rest() + _LAST_BLOCK + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)

    def _compressed(self, plain: bytes) -> bytes:
        if self._stream is None:
            if len(plain) <= _SHORT:
                return stored(plain)
            dictionary = self._window[-WINDOW:]
            self._stream = isal_zlib.compressobj(level=1, wbits=codings.RAW_WBITS, zdict=dictionary)
        made: bytes = self._stream.compress(plain)
        return made

    def _want(self, chunk: Chunk, key: tuple[int, int]) -> None:
        """Have the chunk compressed for good, if it is seen often enough."""
        if len(self.jobs) < _MOST_JOBS and key not in chunk.blocks and self._is_worth_building(chunk):
            before = self._before if key[0] else None
            self.jobs.append(lambda: _build(chunk, before, key))

    def _is_worth_building(self, chunk: Chunk) -> bool:
        if chunk.sights < WORTH_BUILDING or len(chunk.blocks) >= _MOST_BLOCKS:
            return False
        before = self._before
        return not chunk.kinds and not (before and before.number and before.kinds)


def encoder(coding: bytes) -> ChunkEncoder:
    """An encoder of chunks for one of ``codings.SUPPORTED``."""
    return GzipBlocks() if coding == b"gzip" else Streamed(codings.encoder(coding))


def _build(chunk: Chunk, before: Chunk | None, key: tuple[int, int]) -> None:
    """Compress the chunk around a marker and keep what holds, or that nothing did."""
    pieces, length = chunk.pieces, key[1]
    dictionary = before.pieces if before else (b"",)
    noise = marker((*dictionary, *pieces), length)
    for sparing in (True, False):
        parts = compress(Deflater(noise.join(dictionary), ends=False), pieces, noise, sparing=sparing)
        if all(_is_true(parts, chunk, dictionary, text) for text in two_texts(pieces, length)):
            chunk.blocks[key] = parts
            return
    chunk.blocks[key] = None


def _is_true(parts: tuple[bytes, ...], chunk: Chunk, dictionary: tuple[bytes, ...], text: bytes) -> bool:
    stream = zlib.decompressobj(codings.RAW_WBITS, zdict=text.join(dictionary)[-WINDOW:])
    try:
        return stream.decompress(text.join(parts)) == text.join(chunk.pieces)
    except zlib.error:
        return False
