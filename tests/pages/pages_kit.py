"""What the tests of pages share: a scanner for a site of two domains, and ways to feed it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import brotli
import zstandard

from kmproxy.links.decorate import Skip, Slot, find_slot
from kmproxy.pages.chunks import Chunk, ChunkCache, Texts
from kmproxy.pages.elements import Elements
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import FindSlot, Scanner
from kmproxy.pages.templates import Templates
from kmproxy.site import resolve_base

PAGE = "https://www.a.example/dir/page"
ELEMENTS = ("a", "area")
CODINGS = [b"", b"identity", b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"]


def leads(host: str) -> Skip | None:
    return None if host == "b.example" else Skip.ELSEWHERE


def owns(name: str) -> bool:
    return name == "kmi"


def slot(raw: bytes, base: str) -> Slot | Skip:
    return find_slot(raw, base, leads, owns, in_html=True)


def scan(elements: Iterable[str] = ELEMENTS, find: FindSlot = slot, page: str = PAGE) -> PageScan:
    """A new page on its way through a new scanner, with nothing remembered."""
    rules = Scanner(Elements(elements), find, resolve_base)
    return PageScan(rules, "www.a.example", page, ChunkCache(1 << 24))


def rewriter(coding: bytes, text: bytes, by: PageScan | None = None) -> PageRewriter:
    return PageRewriter(coding, (lambda: by) if by else scan, Texts(text), Templates(1 << 24), PAGE)


def pieces(chunks: Iterable[bytes], by: PageScan | None = None) -> list[bytes]:
    """All pieces of a page that pauses after each chunk: between each two stands a slot."""
    by = by or scan()
    found = [b""]
    for part in _parts(chunks, by):
        found[-1] += part.pieces[0]
        found += part.pieces[1:]
    return found


def _parts(chunks: Iterable[bytes], by: PageScan) -> Iterator[Chunk]:
    for chunk in chunks:
        yield from by.feed(chunk)
        yield from by.flush()
    yield from by.finish()


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """``data`` in chunks that end at ``places``."""
    ends = [*sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def every_way(page: bytes) -> list[list[bytes]]:
    """Whole, byte by byte, and in two at every place."""
    return [[page], list(bytewise(page)), *([page[:at], page[at:]] for at in range(len(page) + 1))]


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
        compressed: bytes = brotli.compress(data, quality=5)
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
