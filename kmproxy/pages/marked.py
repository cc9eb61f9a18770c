"""Compressing around a marker: noise that stands where a visitor's text will.

The first marker, and any too far from the one before, is forced out verbatim; the others
the compressor takes for copies of it. So a text put over the verbatim ones appears in all.
What an encoder makes of this is never trusted: whoever uses it fills it with two texts that
differ in every byte, decodes and compares.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import shake_128
from typing import Protocol

import brotli
import zstandard

WINDOW = 32_768
"""Bytes deflate looks back (RFC 1951 §2)."""

_REACH = 32_000
"""zlib finds no match in the last bytes of its window (MIN_LOOKAHEAD)."""

_RAW = -15


class Encoder(Protocol):
    """One that can put bytes out as they are."""

    @property
    def reach(self) -> int:
        """Bytes back that a copy may be taken from."""

    def add(self, plain: bytes) -> bytes: ...

    def verbatim(self, marker: bytes) -> list[bytes]:
        """What stands before and after the marker's own bytes; or all in one, where it became a
        copy of an earlier one after all."""

    def end(self) -> bytes: ...


class Deflater:
    """Raw deflate; a verbatim marker is a stored block between two streams, the second of which
    begins with the window, marker included, as its dictionary: so its distances are true."""

    reach = _REACH

    def __init__(self, window: bytes = b"", *, ends: bool = True) -> None:
        """``window``: what came before; without ``ends`` more blocks may follow."""
        self._window = window[-WINDOW:]
        self._ends = ends
        self._stream = self._begin()

    def _begin(self) -> zlib._Compress:
        return zlib.compressobj(6, zlib.DEFLATED, _RAW, zdict=self._window)

    def add(self, plain: bytes) -> bytes:
        self._window = (self._window + plain)[-WINDOW:]
        return self._stream.compress(plain)

    def verbatim(self, marker: bytes) -> list[bytes]:
        before = self._stream.flush(zlib.Z_SYNC_FLUSH)
        self._window = (self._window + marker)[-WINDOW:]
        self._stream = self._begin()
        return [before + stored(marker)[: -len(marker)], b""]

    def end(self) -> bytes:
        return self._stream.flush(zlib.Z_FINISH if self._ends else zlib.Z_SYNC_FLUSH)


def stored(plain: bytes) -> bytes:
    """A block that holds ``plain`` as it is (RFC 1951 §3.2.4)."""
    # BFINAL = 0, BTYPE = 00, then LEN and its complement.
    return struct.pack("<BHH", 0, len(plain), len(plain) ^ 0xFFFF) + plain


class Flushed:
    """An encoder that puts incompressible bytes out as they are when flushed before and after."""

    reach = 1 << 21

    def __init__(
        self, add: Callable[[bytes], bytes], flush: Callable[[], bytes], end: Callable[[], bytes]
    ) -> None:
        self.add = add
        self._flush = flush
        self.end = end

    def verbatim(self, marker: bytes) -> list[bytes]:
        return (self._flush() + self.add(marker) + self._flush()).split(marker)


def brotli_encoder(quality: int) -> Flushed:
    """br."""
    stream = brotli.Compressor(quality=quality, lgwin=22)
    return Flushed(stream.process, stream.flush, stream.finish)


def zstd_encoder(level: int) -> Flushed:
    """zstd."""
    stream = zstandard.ZstdCompressor(level=level).compressobj()
    return Flushed(
        stream.compress,
        lambda: stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
        lambda: stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH),
    )


def marker(pieces: Sequence[bytes], length: int) -> bytes:
    """Noise in which every second byte, and the first and last, are none of the page's.

    A compressor that found two bytes of it in the text, or one and what stands beside it,
    might copy them from there. The same for the same page, which is as good as chance here.
    """
    page = b"".join(pieces)
    # One search after another, so that other threads have their turns between them.
    absent = [byte for byte in range(256) if byte not in page] or list(range(256))
    drawn = bytearray(shake_128(page).digest(length))
    for place in {*range(0, length, 2), length - 1}:
        drawn[place] = absent[drawn[place] % len(absent)]
    return bytes(drawn)


def compress(encoder: Encoder, pieces: Sequence[bytes], marker: bytes, *, sparing: bool) -> tuple[bytes, ...]:
    """``pieces`` with a marker between each two, compressed and cut where one stands verbatim.

    ``sparing``: only where one must; else around each.
    """
    parts = []
    current = [encoder.add(pieces[0])]
    since = encoder.reach
    for piece in pieces[1:]:
        if sparing and since + 2 * len(marker) < encoder.reach:
            current.append(encoder.add(marker))
        else:
            before, *after = encoder.verbatim(marker)
            current.append(before)
            if after:
                parts.append(b"".join(current))
                current = after
        current.append(encoder.add(piece))
        since = len(piece)
    return (*parts, b"".join([*current, encoder.end()]))


def two_texts(pieces: Sequence[bytes], length: int) -> Iterator[bytes]:
    """Two texts in the alphabet of parameters, of which no byte is the same."""
    once = bytes(0x30 + byte % 40 for byte in shake_128(b"text" + pieces[0]).digest(length))
    yield once
    yield bytes(byte + 1 for byte in once)
