"""What the tests of pages share: a scanner for a site of two domains, and ways to feed it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import brotli
import zstandard

from kmproxy.links.decorate import Skip, Slot, find_slot
from kmproxy.pages.scanner import Scanner
from kmproxy.site import resolve_base

PAGE = "https://www.a.example/dir/page"
ELEMENTS = frozenset({b"a", b"area"})
CODINGS = [b"", b"identity", b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"]


def leads(host: str) -> Skip | None:
    return None if host == "b.example" else Skip.ELSEWHERE


def owns(name: str) -> bool:
    return name == "kmi"


def slot(raw: bytes, base: str) -> Slot | Skip:
    return find_slot(raw, base, leads, owns, in_html=True)


def scanner(elements: frozenset[bytes] = ELEMENTS) -> Scanner:
    return Scanner(elements, PAGE, slot, resolve_base)


def pieces(chunks: Iterable[bytes], by: Scanner | None = None) -> list[bytes]:
    """All pieces of a page: between each two stands a slot."""
    by = by or scanner()
    found = [b""]
    for part in [*map(by.feed, chunks), by.finish()]:
        found[-1] += part[0]
        found += part[1:]
    return found


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """``data`` in chunks that end at ``places``."""
    ends = [*sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def deflated(data: bytes, wbits: int) -> bytes:
    stream = zlib.compressobj(wbits=wbits)
    return stream.compress(data) + stream.flush()


def encoded(coding: bytes, data: bytes, *, raw: bool = False) -> bytes:
    """``data`` in a coding, by the reference libraries; ``raw`` for deflate without its zlib frame."""
    if coding in (b"gzip", b"x-gzip"):
        return deflated(data, 31)
    if coding == b"deflate":
        return deflated(data, -15 if raw else 15)
    if coding == b"br":
        compressed: bytes = brotli.compress(data)
        return compressed
    return zstandard.ZstdCompressor().compress(data) if coding == b"zstd" else data


def decoded(coding: bytes, data: bytes) -> bytes:
    """What a client makes of ``data``, by the reference libraries; an end that is missing is an error."""
    if coding in (b"gzip", b"x-gzip", b"deflate"):
        stream = zlib.decompressobj(47)
        plain = stream.decompress(data)
        assert stream.eof
        assert not stream.unused_data
        return plain
    if coding == b"br":
        decompressed: bytes = brotli.decompress(data)
        return decompressed
    if coding == b"zstd":
        frame = zstandard.ZstdDecompressor().decompressobj()
        plain = frame.decompress(data)
        assert frame.eof
        assert not frame.unused_data
        return plain
    return data
