"""Pages that are never the same twice: a fresh token at marked spots, in gzip too, for next to nothing.

The upstream puts one random token, of a fixed length, into every spot. In gzip the spots are stored
blocks between deflate blocks, whose window includes the spot. CRC-32 is linear, so the sum of what all
spots add to it is one linear map of the token's own CRC: 32 words, worked out here.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from .pages import LINK

TOKEN = 16
"""Bytes of the token."""

MARK = bytes(range(1, 9)) * 2
"""What stands for the token: no page has control characters."""

STEP = 4000
"""Bytes between the spots of a page that is to be unique throughout: chunks worth caching are longer."""

_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
_STORED = b"\0" + struct.pack("<HH", TOKEN, TOKEN ^ 0xFFFF)
_ALL = 0xFFFFFFFF


def on_a_route(html: bytes) -> bytes:
    """``html`` as one route's pages differ: a token in the head, a name in the header, a date at the end."""
    html = _after(html, rb"<head(?:\s[^>]*)?>", b'<meta name="csrf-token" content="' + MARK + b'">')
    html = _after(html, rb"<body(?:\s[^>]*)?>", b'<p class="hello">Hello ' + MARK + b"</p>")
    place = html.lower().rfind(b"</body")
    place = place if place >= 0 else len(html)
    return html[:place] + b"<p>Made at " + MARK + b"</p>" + html[place:]


def _after(html: bytes, tag: bytes, added: bytes) -> bytes:
    match = re.search(tag, html, re.IGNORECASE)
    place = match.end() if match else 0
    return html[:place] + added + html[place:]


def throughout(html: bytes) -> bytes:
    """``html`` with a spot in every second link to the other domain, and every few KB of text."""
    start, *links = html.split(LINK)
    html = start + b"".join(LINK + (MARK + b"/" if n % 2 else b"") + rest for n, rest in enumerate(links))
    parts, last = [], 0
    for match in re.finditer(rb"(?=</[a-z])|(?<=;)", html):
        if match.start() - last >= STEP:
            parts.append(html[last : match.start()])
            last = match.start()
    return MARK.join([*parts, html[last:]])


@dataclass(frozen=True)
class Spotted:
    """A page in pieces, between each two of which the token goes; plain, and in gzip without its trailer."""

    plain: list[bytes]
    gzip: list[bytes]
    size: int
    crc: int
    """The page's CRC-32 with zeros for the token."""
    columns: list[int]
    """What each bit of the token's own CRC (begun with 0, ended with nothing) changes in it."""

    @property
    def spots(self) -> int:
        return len(self.plain) - 1

    def filled(self, token: bytes) -> bytes:
        """The page in gzip, as the upstream makes it."""
        own = zlib.crc32(token, _ALL) ^ _ALL
        crc = self.crc
        for bit, column in enumerate(self.columns):
            crc ^= column if own >> bit & 1 else 0
        return token.join(self.gzip) + struct.pack("<II", crc, self.size)


def spotted(html: bytes) -> Spotted:
    """``html`` with marks, made ready."""
    plain = html.split(MARK)
    crc = zlib.crc32(html.replace(MARK, bytes(TOKEN)))
    page = Spotted(plain, _deflated(plain), len(html), crc, _columns([len(piece) for piece in plain[1:]]))
    token = b"0123456789abcdef"
    if zlib.decompress(page.filled(token), wbits=31) != token.join(plain):
        raise AssertionError("a page that is unique in gzip was put together wrongly")
    return page


def _deflated(pieces: list[bytes]) -> list[bytes]:
    blocks, window = [], b""
    for number, piece in enumerate(pieces, 1):
        last = number == len(pieces)
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=window)
        block = deflate.compress(piece) + deflate.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
        blocks.append(block if last else block + _STORED)
        window = (window + piece + MARK)[-32768:]
    return [_GZIP_HEAD + blocks[0], *blocks[1:]]


def _columns(after: list[int]) -> list[int]:
    """``after`` are the bytes from each spot's end to the next one's start, or to the page's end."""
    distances = [size + TOKEN for size in after[:-1]] + after[-1:]
    columns = []
    for bit in range(32):
        state = 0
        for distance in distances:
            state = zlib.crc32(bytes(distance), (state ^ 1 << bit) ^ _ALL) ^ _ALL
        columns.append(state)
    return columns
