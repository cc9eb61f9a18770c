"""Content codings as streams: gzip, deflate, br, zstd (RFC 9110 §8.4.1, RFC 7932, RFC 8878)."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

import brotli
import zstandard
from isal import igzip_lib, isal_zlib

from kmproxy.errors import KmproxyError

# The package's stubs give an instance where there is a class.
_NOT_DEFLATED: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]

_GZIP = b"\x1f\x8b\x08"
_SIMPLE_FLAGS = frozenset({b"\x00", b"\x01", b"\x04", b"\x08", b"\x10"})
"""FLG of a gzip header with at most one optional field, and no checksum of its own."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
"""A skippable frame's magic number, after its first byte (RFC 8878 §3.1.2)."""

_AT_ONCE = 1 << 20
"""Bytes that brotli may make in one go."""

SMALL_ENOUGH = 16 << 20
MAX_RATIO = 100
"""Bytes of plain page for each encoded one, beyond ``SMALL_ENOUGH`` of them; deflate's own limit is 1,032."""

GZIP_WBITS = 31
ZLIB_WBITS = 15
RAW_WBITS = -15


class CodingError(KmproxyError):
    """The body is not what its Content-Encoding says, or ends before its end."""


class Deflating(Protocol):
    """zlib's and ISA-L's compression objects."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


class Decoder(Protocol):
    """Encoded bytes in, plain bytes out."""

    def write(self, data: bytes) -> bytes:
        """What can be decoded by now. Raises CodingError."""

    def finish(self) -> bytes:
        """The rest. Raises CodingError if the body was cut short."""


class Encoder(Protocol):
    """Plain bytes in, encoded bytes out."""

    def write(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """What is held back, so that all that was written can be decoded."""

    def finish(self) -> bytes: ...


class Plain:
    """``identity``, in both directions."""

    def write(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b""


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Measured:
    """How much came out of how much: a few bytes that become gigabytes are no page."""

    _slice = 32_768
    """Bytes decoded at once; deflate makes at most 1,032 times as many of them."""

    def __init__(self) -> None:
        self._came = 0
        self._made = 0

    def _slices(self, data: bytes) -> Iterator[bytes]:
        """``data`` in pieces small enough that one can't fill the memory."""
        for start in range(0, len(data), self._slice):
            piece = data[start : start + self._slice]
            self._came += len(piece)
            yield piece

    def _measure(self, plain: bytes) -> bytes:
        self._made += len(plain)
        if self._made > SMALL_ENOUGH and self._made > MAX_RATIO * self._came:
            raise CodingError("more than a page holds")
        return plain


class _Members(_Measured, ABC):
    """A body made of members, one after another, and of what trails, which browsers ignore."""

    def __init__(self) -> None:
        super().__init__()
        self._stream: _Stream | None = None
        self._count = 0
        self._head = b""
        """What has come of a member that can't be opened yet."""
        self._is_over = False

    def write(self, data: bytes) -> bytes:
        return b"".join([self._measure(self._decoded(piece)) for piece in self._slices(data)])

    def _decoded(self, data: bytes) -> bytes:
        parts = []
        data, self._head = self._head + data, b""
        while data and (stream := self._stream or self._begin(data)):
            parts.append(_decompress(stream, data))
            data, self._stream = (stream.unused_data, None) if stream.eof else (b"", stream)
        return b"".join(parts)

    def finish(self) -> bytes:
        if self._stream is not None or self._head:
            raise CodingError("cut short")
        return b""

    def _begin(self, data: bytes) -> _Stream | None:
        if self._is_over:
            return None
        is_member = self._is_member(data)
        if is_member is None:
            self._head = data
            return None
        # A body that doesn't begin as it claims is opened all the same, to fail.
        self._is_over = not is_member and self._count > 0
        self._count += 1
        return None if self._is_over else self._open(data)

    @abstractmethod
    def _is_member(self, data: bytes) -> bool | None:
        """Whether ``data`` begins a member; None where more of it must come first."""

    @abstractmethod
    def _open(self, data: bytes) -> _Stream:
        """A decoder for the member that ``data`` begins."""


def _decompress(stream: _Stream, data: bytes) -> bytes:
    try:
        return stream.decompress(data)
    except (_NOT_DEFLATED, zlib.error, zstandard.ZstdError) as error:
        raise CodingError("not what Content-Encoding says") from error


class Gunzip(_Members):
    """gzip with any number of members (RFC 1952 §2.2)."""

    def _is_member(self, data: bytes) -> bool | None:
        # One byte more than the mark: the flags decide who opens it.
        return None if len(data) < 4 and _GZIP.startswith(data[:3]) else data.startswith(_GZIP)

    def _open(self, data: bytes) -> _Stream:
        # ISA-L loses its place in a header of several fields that comes in pieces.
        simple = data[3:4] in _SIMPLE_FLAGS
        return isal_zlib.decompressobj(GZIP_WBITS) if simple else zlib.decompressobj(GZIP_WBITS)


class Inflate(_Members):
    """zlib, or (some servers' ``deflate``) raw deflate."""

    def _is_member(self, data: bytes) -> bool | None:
        return self._count == 0

    def _open(self, data: bytes) -> _Stream:
        # CM = 8 in the first nibble is zlib's (RFC 1950 §2.2); raw deflate doesn't begin so.
        return isal_zlib.decompressobj(ZLIB_WBITS if data[0] & 0x0F == 8 else RAW_WBITS)


class Deflate:
    """gzip or zlib, at the level that costs least."""

    def __init__(self, wbits: int) -> None:
        self._stream = isal_zlib.compressobj(level=1, wbits=wbits)

    def write(self, data: bytes) -> bytes:
        encoded: bytes = self._stream.compress(data)
        return encoded

    def flush(self) -> bytes:
        held: bytes = self._stream.flush(isal_zlib.Z_SYNC_FLUSH)
        return held

    def finish(self) -> bytes:
        rest: bytes = self._stream.flush()
        return rest


class BrotliDecoder(_Measured):
    """br."""

    def __init__(self) -> None:
        super().__init__()
        self._stream = brotli.Decompressor()
        self._begun = False

    def write(self, data: bytes) -> bytes:
        if not data or self._stream.is_finished():
            return b""
        self._begun = True
        try:
            return b"".join([part for piece in self._slices(data) for part in self._drain(piece)])
        except brotli.error as error:
            raise CodingError("not brotli") from error

    def _drain(self, data: bytes) -> Iterator[bytes]:
        if self._stream.is_finished():
            return
        while part := self._stream.process(data, output_buffer_limit=_AT_ONCE):
            yield self._measure(part)
            if self._stream.is_finished():
                return
            data = b""

    def finish(self) -> bytes:
        if self._begun and not self._stream.is_finished():
            raise CodingError("cut short")
        return b""


class BrotliEncoder:
    """br."""

    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=4)

    def write(self, data: bytes) -> bytes:
        encoded: bytes = self._stream.process(data)
        return encoded

    def flush(self) -> bytes:
        held: bytes = self._stream.flush()
        return held

    def finish(self) -> bytes:
        rest: bytes = self._stream.finish()
        return rest


class ZstdDecoder(_Members):
    """zstd with any number of frames; windows up to 8 MB, as RFC 9659 §3 bounds them for the Web."""

    _slice = 512  # of which four bytes may make 128 KB

    def _is_member(self, data: bytes) -> bool | None:
        expected = bytes([data[0]]) + _SKIPPABLE if data[0] & 0xF0 == 0x50 else _ZSTD
        return data.startswith(expected) or (None if expected.startswith(data) else False)

    def _open(self, data: bytes) -> _Stream:
        return zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj()


class ZstdEncoder:
    """zstd."""

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=3).compressobj()

    def write(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


SUPPORTED = frozenset({b"", b"identity", b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"})
"""Values of Content-Encoding that can be read and written; ``b""`` is none at all."""


def decoder(coding: bytes) -> Decoder:
    """A decoder for one of ``SUPPORTED``."""
    if coding in (b"gzip", b"x-gzip"):
        return Gunzip()
    if coding == b"deflate":
        return Inflate()
    if coding == b"br":
        return BrotliDecoder()
    return ZstdDecoder() if coding == b"zstd" else Plain()


def encoder(coding: bytes) -> Encoder:
    """An encoder for one of ``SUPPORTED``."""
    if coding in (b"gzip", b"x-gzip", b"deflate"):
        return Deflate(ZLIB_WBITS if coding == b"deflate" else GZIP_WBITS)
    if coding == b"br":
        return BrotliEncoder()
    return ZstdEncoder() if coding == b"zstd" else Plain()
