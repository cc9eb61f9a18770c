"""What must hold for any bytes: the fuzzer's targets, and its findings' and seeds' judge.

An input's first bytes say how the rest is cut and by what way it goes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from pages_kit import CODINGS, PAGE, cut, decoded, encoded, owns, rewriter, scan

from kmproxy.links.decorate import Skip, Slot, find_slot
from kmproxy.pages import syntax
from kmproxy.pages.chunks import Chunk, ChunkCache
from kmproxy.pages.codings import CodingError, decoder
from kmproxy.pages.elements import QUERY, Elements
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import Scanner, State, Walked
from kmproxy.site import resolve_base

HOSTS = (syntax.any_case(b"b.example"), rb"(?:[A-Za-z0-9-]+\.)+" + syntax.any_case(b"w.example"))
NAMES = [("a",), ("a", "area", "iframe"), ("a", "area", "iframe", "form")]
NEVER = rb"(?!)"
MARK = b"kmi=\x00\x01inserted\x01\x00"

ANY_BODY = 64
"""The bit of the way that says that the rest is a body as it comes, in its coding or not."""

_CUTS = 6
_SECONDS, _SECONDS_A_BYTE = 0.2, 20e-6
"""Beyond any pause of the machine, and an order of magnitude beyond what a byte costs."""


def leads(host: str) -> Skip | None:
    return None if host == "b.example" or host.endswith(".w.example") else Skip.ELSEWHERE


def find(raw: bytes, base: str) -> Slot | Skip:
    return find_slot(raw, base, leads, owns, in_html=True)


def fast(names: tuple[str, ...], *, hosts: bool = True, refresh: bool = False) -> Scanner:
    """A scanner as a site has it."""
    return Scanner(Elements(names, refresh=refresh), find, resolve_base, HOSTS if hosts else None)


def slow(names: tuple[str, ...], *, refresh: bool = False) -> Scanner:
    """One that looks at every tag there is."""
    with mock.patch.object(syntax, "HARMLESS", NEVER):
        return Scanner(Elements(names, refresh=refresh), find, resolve_base)


@contextmanager
def no_plain_links() -> Iterator[None]:
    with mock.patch.object(syntax, "PLAIN_LINK", re.compile(NEVER)):
        yield


def walks(scanner: Scanner, chunks: list[bytes]) -> list[Walked]:
    state, found = State(base=PAGE), []
    for number, chunk in enumerate(chunks, 1):
        found.append(scanner.walk(state, chunk, final=number == len(chunks)))
        state = found[-1].after
    return found


def told(data: bytes) -> tuple[int, list[bytes]]:
    """The way to go, and the page in chunks, most of them near its beginning."""
    head, page = _head(data)
    places, place = [], 0
    for step in head[1:]:
        place += step * (1 if step < 128 else 37)
        places.append(place)
    return head[0], cut(page, places)


def _head(data: bytes) -> tuple[bytes, bytes]:
    return data[: _CUTS + 1].ljust(_CUTS + 1, b"\0"), data[_CUTS + 1 :]


def _cut_anywhere(head: bytes, body: bytes) -> list[bytes]:
    """``body`` in chunks that end at places all over it, and near its two ends."""
    start, end, *anywhere = head[1:]
    return cut(body, [start, len(body) - end, *(place * len(body) // 256 for place in anywhere)])


def scanner_holds(data: bytes) -> None:
    """No cut and no fast path changes the pieces, which are the page."""
    way, chunks = told(data)
    names, refresh = NAMES[way % len(NAMES)], bool(way & 64)
    page = b"".join(chunks)
    leads_of_slots: list[bytes] = []
    whole = _scanned(fast(names, refresh=refresh), [page], leads_of_slots)

    assert whole == _scanned(fast(names, refresh=refresh), chunks)
    assert whole == _scanned(fast(names, refresh=refresh), chunks, pauses=True)
    _same_walks(names, chunks, refresh)
    pieces, kinds = whole
    if all(kind == QUERY for kind in kinds):
        assert _without(pieces, leads_of_slots) == page


def _scanned(
    scanner: Scanner, chunks: list[bytes], slots: list[bytes] | None = None, *, pauses: bool = False
) -> tuple[list[bytes], list[int]]:
    if slots is not None:
        scanner.find_slot = _recording(slots)
    page = PageScan(scanner, "www.a.example", PAGE, ChunkCache(1 << 20))
    pieces, kinds = [b""], list[int]()
    for part in _parts(page, chunks, pauses):
        pieces[-1] += part.pieces[0]
        pieces += part.pieces[1:]
        kinds += part.kinds or [QUERY] * part.slots
    return pieces, kinds


def _parts(page: PageScan, chunks: list[bytes], pauses: bool) -> Iterator[Chunk]:
    for chunk in chunks:
        yield from page.feed(chunk)
        if pauses:
            yield from page.flush()
    yield from page.finish()


def _recording(slots: list[bytes]) -> Callable[[bytes, str], Slot | Skip]:
    def recorded(raw: bytes, base: str) -> Slot | Skip:
        found = find(raw, base)
        if isinstance(found, Slot):
            slots.append(found.lead)
        return found

    return recorded


def _same_walks(names: tuple[str, ...], chunks: list[bytes], refresh: bool) -> None:
    with no_plain_links():
        expected = walks(slow(names, refresh=refresh), chunks)
    assert walks(fast(names, hosts=False, refresh=refresh), chunks) == expected
    for walked in expected:
        walked.skipped = {}
    by_host = walks(fast(names, refresh=refresh), chunks)
    for walked in by_host:
        walked.skipped = {}
    assert by_host == expected


def _without(pieces: list[bytes], slots: list[bytes]) -> bytes:
    assert len(pieces) == len(slots) + 1
    assert all(piece.endswith(lead) for piece, lead in zip(pieces, slots, strict=False))
    kept = (piece[: len(piece) - len(lead)] for piece, lead in zip(pieces, slots, strict=False))
    return b"".join(kept) + pieces[-1]


def codings_hold(data: bytes) -> None:
    """A page leaves in its coding, less what was inserted as it came; what is none, as it came."""
    head, page = _head(data)
    way = head[0]
    coding = CODINGS[way % len(CODINGS)]
    if way & ANY_BODY:
        _any_body(coding, _cut_anywhere(head, page), pauses=bool(way & 32))
        return
    body = encoded(coding, page, raw=bool(way & 16))
    for parts, pauses in (([body], False), (_cut_anywhere(head, body), bool(way & 32))):
        out, left_alone, slots = _through(coding, parts, pauses=pauses)
        if left_alone:
            assert (out, left_alone) == (body, "charset")
        else:
            assert _without(decoded(coding, out).split(MARK), slots) == page


def _through(coding: bytes, chunks: list[bytes], *, pauses: bool) -> tuple[bytes, str, list[bytes]]:
    slots: list[bytes] = []
    page = rewriter(coding, MARK, scan(find=_recording(slots)))
    out = []
    for chunk in chunks:
        out.append(page.write(chunk))
        if pauses:
            out.append(page.flush())
    out.append(page.finish())
    # A page with a late <base> is looked at twice: its last links count.
    return b"".join(out), page.left_alone, slots[len(slots) - page.decorated :]


def _any_body(coding: bytes, chunks: list[bytes], *, pauses: bool) -> None:
    """A body that may be anything at all."""
    page = rewriter(coding, MARK)
    out = []
    try:
        for chunk in chunks:
            out.append(page.write(chunk))
            if pauses:
                out.append(page.flush())
        out.append(page.finish())
    except CodingError:
        page.salvage()
        return
    if page.left_alone:
        assert b"".join(out) == b"".join(chunks)
    plain = [_decoded(coding, pieces) for pieces in (chunks, [b"".join(chunks)])]
    if None not in plain:
        assert plain[0] == plain[1]


def _decoded(coding: bytes, chunks: list[bytes]) -> bytes | None:
    stream = decoder(coding)
    try:
        return b"".join([*map(stream.write, chunks), stream.finish()])
    except CodingError:
        return None


def in_time(target: Callable[[bytes], None], data: bytes) -> None:
    """``target`` holds, and takes no longer than its length allows."""
    allowed = _SECONDS + _SECONDS_A_BYTE * len(data)
    taken = _taken(target, data)
    if taken > allowed:
        # Once more, for the machine may have paused.
        taken = min(_taken(target, data) for _ in range(2))
    assert taken <= allowed, f"{len(data)} bytes took {taken:.3f} s"


def _taken(target: Callable[[bytes], None], data: bytes) -> float:
    start = time.process_time()
    target(data)
    return time.process_time() - start


TARGETS: dict[str, Callable[[bytes], None]] = {"scanner": scanner_holds, "codings": codings_hold}

TOKENS = [
    b"<a href=//b.example/>",
    b'<a href="https://b.example/p">',
    b"<a href='q'>",
    b'<a href="/x" x=1>',
    b"<a href=https://x.w.example/?a#b>",
    b'<a data-kmproxy=off href="//b.example">',
    b"<area href=",
    b"</a>",
    b"<script",
    b"</script",
    b"<script>",
    b"</script>",
    b"<!--",
    b"-->",
    b"--!>",
    b"<!-->",
    b"<!--->",
    b"--",
    b"<style>",
    b"</style>",
    b"<title>",
    b"</title>",
    b"<textarea>",
    b"</textarea",
    b"<noscript>",
    b"</noscript>",
    b"<svg>",
    b"</svg>",
    b"<svg/>",
    b'<svg x=">"/>',
    b"<g>",
    b"</g>",
    b"<path d=1 />",
    b"<use/>",
    b"<desc>",
    b"</desc>",
    b"<math>",
    b"</math>",
    b"<mi>",
    b"</mi>",
    b"<foreignObject>",
    b"<p>",
    b"</p>",
    b"<![CDATA[",
    b"]]>",
    b"<!doctype html>",
    b"<?",
    b"</",
    b"</>",
    b"<meta http-equiv=refresh content='0; //b.example/'>",
    b"<meta name=x content='y'>",
    b"<form method=post action=//b.example>",
    b"</form>",
    b"<button formaction=",
    b"<base href='//b.example/'>",
    b"<iframe src=//b.example>",
    b"</iframe>",
    b"<plaintext>",
    b"<xmp>",
    b"</xmp>",
    b"<template>",
    b"</template>",
    b"<a/href=",
    b' ="',
    b"'",
    b'"',
    b">",
    b"/>",
    b"=",
    b"\0",
    b"&amp;",
    b"&#63;",
]
"""What a mutation should know of HTML."""

SEEDS = [
    *TOKENS,
    *(
        b"<!doctype html><html><head><meta charset=utf-8><title>t</title><style>a{}</style>"
        b"<script>if (a<b) x='<!--'</script></head><body>"
        + token
        + b"<a href='//b.example/?x#y'>z</a></body>"
        for token in TOKENS
    ),
    b"<svg viewBox='0 0 1 1'><title>x</title><g><path d='M0 0'/></g></svg><a href=//b.example>" * 3,
    b"<script><!--<script></script>--></script><a href=//b.example>",
    b"<div class=\"x\"><p id='y'>text &amp; <b>more</b><br/></p><!-- note --></div>" * 40,
]
"""Small pages, without the bytes that say how they are cut."""
