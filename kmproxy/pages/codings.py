"""Content codings as streams: gzip, deflate, br, zstd (RFC 9110 §8.4.1, RFC 7932, RFC 8878)."""

from __future__ import annotations

from typing import Protocol

import brotli
import zstandard
from isal import igzip_lib, isal_zlib

from kmproxy.errors import KmproxyError

# The package's stubs give an instance where there is a class.
_NOT_DEFLATED: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]

GZIP_WBITS = 31
ZLIB_WBITS = 15
RAW_WBITS = -15


class CodingError(KmproxyError):
    """The body is not what its Content-Encoding says, or ends before its end."""


class Decoder(Protocol):
    """Encoded bytes in, plain bytes out."""

    def write(self, data: bytes) -> bytes:
        """What can be decoded by now. Raises CodingError."""

    def finish(self) -> bytes:
        """The rest. Raises CodingError if the body was cut short."""


class Encoder(Protocol):
    """Plain bytes in, encoded bytes out, flushed so that a stream stays a stream."""

    def write(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Plain:
    """``identity``, in both directions."""

    def write(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class Inflate:
    """gzip with any number of members, zlib, or (some servers' ``deflate``) raw deflate."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._stream = isal_zlib.decompressobj(GZIP_WBITS) if is_gzip else None
        self._begun = False

    def write(self, data: bytes) -> bytes:
        try:
            return b"".join(self._members(data))
        except _NOT_DEFLATED as error:
            raise CodingError("not deflated") from error

    def _members(self, data: bytes) -> list[bytes]:
        parts = []
        while data:
            if self._stream is None:
                # CM = 8 in the first nibble is zlib's (RFC 1950 §2.2); raw deflate can't begin so.
                self._stream = isal_zlib.decompressobj(ZLIB_WBITS if data[0] & 0x0F == 8 else RAW_WBITS)
            if self._stream.eof:
                if not self._is_gzip or data[:1] != b"\x1f":
                    break  # browsers ignore what trails
                self._stream = isal_zlib.decompressobj(GZIP_WBITS)
            self._begun = True
            parts.append(self._stream.decompress(data))
            data = self._stream.unused_data
        return parts

    def finish(self) -> bytes:
        if self._begun and self._stream is not None and not self._stream.eof:
            raise CodingError("cut short")
        return b""


class Deflate:
    """gzip or zlib, at the level that costs least."""

    def __init__(self, wbits: int) -> None:
        self._stream = isal_zlib.compressobj(level=1, wbits=wbits)

    def write(self, data: bytes) -> bytes:
        encoded: bytes = self._stream.compress(data) + self._stream.flush(isal_zlib.Z_SYNC_FLUSH)
        return encoded

    def finish(self) -> bytes:
        rest: bytes = self._stream.flush()
        return rest


class BrotliDecoder:
    """br."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._begun = False

    def write(self, data: bytes) -> bytes:
        if self._stream.is_finished():
            return b""
        self._begun = self._begun or bool(data)
        try:
            decoded: bytes = self._stream.process(data)
        except brotli.error as error:
            raise CodingError("not brotli") from error
        return decoded

    def finish(self) -> bytes:
        if self._begun and not self._stream.is_finished():
            raise CodingError("cut short")
        return b""


class BrotliEncoder:
    """br."""

    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=4)

    def write(self, data: bytes) -> bytes:
        encoded: bytes = self._stream.process(data) + self._stream.flush()
        return encoded

    def finish(self) -> bytes:
        rest: bytes = self._stream.finish()
        return rest


class ZstdDecoder:
    """zstd; windows up to 8 MB, as RFC 9659 §3 bounds them for the Web."""

    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj()
        self._begun = False

    def write(self, data: bytes) -> bytes:
        if self._stream.eof:
            return b""
        self._begun = self._begun or bool(data)
        try:
            return self._stream.decompress(data)
        except zstandard.ZstdError as error:
            raise CodingError("not zstd") from error

    def finish(self) -> bytes:
        if self._begun and not self._stream.eof:
            raise CodingError("cut short")
        return b""


class ZstdEncoder:
    """zstd."""

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=3).compressobj()

    def write(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


SUPPORTED = frozenset({b"", b"identity", b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"})
"""Values of Content-Encoding that can be read and written; ``b""`` is none at all."""


def decoder(coding: bytes) -> Decoder:
    """A decoder for one of ``SUPPORTED``."""
    if coding in (b"gzip", b"x-gzip", b"deflate"):
        return Inflate(is_gzip=coding != b"deflate")
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
