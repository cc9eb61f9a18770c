"""What is remembered of pages: it makes the next one cheaper, changes no byte, and knows no visitor."""

from __future__ import annotations

import gc
import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages_kit import ELEMENTS, PAGE, cut, decoded, encoded, slot

from kmproxy.links.decorate import Skip
from kmproxy.pages import blocks, compressed, cuts
from kmproxy.pages import scan as page_scan
from kmproxy.pages.chunks import ChunkCache, Texts
from kmproxy.pages.elements import Elements
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import Scanner
from kmproxy.pages.templates import Templates
from kmproxy.site import resolve_base

CODINGS = [b"", b"gzip", b"deflate", b"br", b"zstd"]
LINK = b'<a href="https://b.example/p">'


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chunks of a few tags, so that small pages have many."""
    with monkeypatch.context() as patched:
        patched.setattr(cuts, "MIN_CHUNK", 120)
        patched.setattr(cuts, "WINDOW", 120)
        patched.setattr(cuts, "LONGEST", 240)
        patched.setattr(cuts, "MIN_SPLIT", 40)
        patched.setattr(page_scan, "MAX_RUN", 1000)
        yield


class Memory:
    """A site's memory, and visits to it."""

    def __init__(self, max_bytes: int = 1 << 24) -> None:
        self.chunks = ChunkCache(max_bytes)
        self.templates = Templates(max_bytes)
        self.rules = Scanner(Elements(ELEMENTS), slot, resolve_base)

    def rewriter(self, coding: bytes, text: bytes) -> PageRewriter:
        return PageRewriter(coding, self.scan, Texts(text), self.templates, PAGE)

    def scan(self) -> PageScan:
        return PageScan(self.rules, "www.a.example", PAGE, self.chunks)

    def visit(self, coding: bytes, page: bytes, text: bytes, at: list[int], *, pauses: bool) -> bytes:
        """The page as this visitor decodes it; what was put off is done before the next visit."""
        rewriter = self.rewriter(coding, text)
        out = b""
        for part in cut(encoded(coding, page), at):
            out += rewriter.write(part) + (rewriter.flush() if pauses else b"")
        out += rewriter.finish()
        for job in rewriter.jobs:
            job()
        return decoded(coding, out)


def filled(page: bytes, text: bytes) -> bytes:
    """What any visitor must get, by a scanner that remembers nothing."""
    rules = Scanner(Elements(ELEMENTS), slot, resolve_base)
    return decoded(b"", _whole(PageScan(rules, "www.a.example", PAGE, ChunkCache(0)), page, text))


def _whole(scan: PageScan, page: bytes, text: bytes) -> bytes:
    return b"".join(chunk.filled(Texts(text)) for chunk in [*scan.feed(page), *scan.finish()])


parts = st.sampled_from(
    [
        LINK + b"one</a>",
        b"<p>some text that is the same on every page</p>",
        b"<script>if (a < b) { '<a href=\"https://b.example/no\">' }</script>",
        b"<!-- <a href='https://b.example/no'> -->",
        b"<svg><title>x</title></svg>",
        b"<a href='/in'>",
        b"<title>t</title>",
        b"plain words, " * 20,
        b"<area href=//b.example/?x=1&amp;y#f>",
        b"\xc3\xbc" * 30,
    ]
)
routes = st.lists(parts, min_size=1, max_size=30)
texts = st.sampled_from(
    [b"kmi=AAAA", b"kmi=bbbb", b"kmi=cc%2Bcc", b"kmi=a&amp;distinct_id=%24device%3A1-2-3"]
)
spots = st.tuples(st.integers(0, 29), st.binary(max_size=6).map(lambda data: data.hex().encode()))
visits = st.lists(
    st.tuples(texts, st.lists(spots, max_size=2), st.booleans(), st.lists(st.integers(0, 3000), max_size=3)),
    min_size=1,
    max_size=8,
)


@pytest.mark.no_cover
@given(routes, visits, st.sampled_from(CODINGS))
@settings(max_examples=250, deadline=None)
def test_whatever_is_remembered_every_visitor_gets_the_page_byte_for_byte(
    route: list[bytes],
    visits: list[tuple[bytes, list[tuple[int, bytes]], bool, list[int]]],
    coding: bytes,
) -> None:
    memory = Memory()
    for text, changed, pauses, at in visits:
        page = list(route)
        for place, spot in changed:
            page.insert(place, b"<b>" + spot + b"</b>")
        whole = b"".join(page)
        assert memory.visit(coding, whole, text, at, pauses=pauses) == filled(whole, text)


def route(seed: int, length: int = 200) -> bytes:
    choose = random.Random(seed)
    kinds = [LINK + b"word %d</a>", b"<p class='c%d'>text</p>", b"<li>item %d", b"<a href='/local/%d'>x</a>"]
    return b"".join(choose.choice(kinds) % choose.randrange(10_000) for _ in range(length))


@pytest.mark.parametrize("coding", sorted(compressed.CODINGS))
def test_a_page_seen_before_is_filled_without_being_read(coding: bytes) -> None:
    memory = Memory()
    page = route(1)
    for _ in range(3):
        memory.visit(coding, page, b"kmi=aaaa", [], pauses=False)
    rewriter = memory.rewriter(coding, b"kmi=bbbb")
    rewriter.write(encoded(coding, page))
    known = {id(chunk) for chunk in memory.chunks._chunks.values()}
    sights = sum(chunk.sights for chunk in memory.chunks._chunks.values())

    assert decoded(coding, rewriter.finish()) == filled(page, b"kmi=bbbb")
    assert rewriter.decorated == page.count(LINK)
    assert not rewriter.jobs
    assert sum(chunk.sights for chunk in memory.chunks._chunks.values()) == sights
    assert {id(chunk) for chunk in memory.chunks._chunks.values()} == known


@pytest.mark.parametrize("coding", sorted(compressed.CODINGS))
def test_a_page_seen_once_is_not_worth_a_template(coding: bytes) -> None:
    memory = Memory()
    jobs = []
    for _ in range(2):
        rewriter = memory.rewriter(coding, b"kmi=aaaa")
        rewriter.write(encoded(coding, route(1)))
        rewriter.finish()
        jobs.append(len(rewriter.jobs))
    assert jobs == [0, 1]


def test_a_page_that_differs_in_a_spot_is_compressed_anew_around_it_only() -> None:
    memory = Memory()
    page = route(2)
    for number in range(6):
        memory.visit(b"gzip", page.replace(b"<li>", b"<li>%04d" % number, 1), b"kmi=aaaa", [], pauses=False)
    kept = [chunk for chunk in memory.chunks._chunks.values() if any(chunk.blocks.values())]

    assert len(kept) > len(page) // 400 * 0.8


def test_a_page_without_a_link_to_decorate_leaves_in_the_bytes_it_came_in() -> None:
    body = encoded(b"gzip", b"<p>nothing here</p>" * 100)
    memory = Memory()
    for _ in range(3):
        rewriter = memory.rewriter(b"gzip", b"kmi=aaaa")
        assert rewriter.write(body) + rewriter.finish() == body


@pytest.mark.parametrize("coding", CODINGS)
def test_nothing_of_a_visitor_is_in_what_is_remembered(coding: bytes) -> None:
    memory = Memory()
    secret = b"kmi=Zq7Xv9Wk3Jm5Rt8Yp2"
    page = route(3)
    for number in range(5):
        spot = page.replace(b"<li>", b"<li>%04d" % number, 1)
        for body in (page, spot):
            memory.visit(coding, body, secret, [], pauses=False)

    held = b"\0".join(_bytes_in(memory))
    assert LINK in held
    for part in (secret[4:], secret[4:12], secret[-8:]):
        assert part not in held


def _bytes_in(root: object) -> Iterator[bytes]:
    """All bytes reachable from ``root`` without leaving for modules and classes."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | type(re)):
            continue
        seen.add(id(item))
        if isinstance(item, bytes):
            yield item
        waiting += [one for one in gc.get_referents(item) if not callable(one)]


# What a chunk becomes depends on more than its bytes. Each pair of pages shares a chunk to the byte.
BODY = LINK + b"<b>" + b"x" * 150 + b"</b><i>end</i>"
PAIRS = {
    "the state before it": (b"<!--" + b"y" * 150 + BODY, b"<p>-" + b"y" * 150 + BODY),
    "whether it is the last": (
        b'<a title="' + b"z" * 150,
        b'<a title="' + b"z" * 150 + b'<" href="https://b.example/p">',
    ),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
@pytest.mark.parametrize("turned", [False, True])
def test_a_chunk_is_told_from_its_double_by(pair: tuple[bytes, bytes], turned: bool) -> None:
    memory = Memory()
    for page in reversed(pair) if turned else pair:
        assert memory.visit(b"", page, b"kmi=aaaa", [], pauses=False) == filled(page, b"kmi=aaaa")


def test_a_chunk_is_told_from_its_double_by_the_host_it_is_on() -> None:
    page = b"<base href='https://cdn.example/'>" + b"y" * 150 + BODY
    cache = ChunkCache(1 << 20)
    away = Scanner(Elements(ELEMENTS), slot, resolve_base)
    at_home = Scanner(Elements(ELEMENTS), lambda raw, base: Skip.SHARED_SCOPE, resolve_base)

    assert _whole(PageScan(away, "www.a.example", PAGE, cache), page, b"kmi=a").count(b"kmi=a") == 1
    assert _whole(PageScan(at_home, "b.example", PAGE, cache), page, b"kmi=a") == page


def test_a_compressed_chunk_is_told_from_its_double_by_the_chunk_before() -> None:
    words = [random.Random(seed).randbytes(90).hex().encode() for seed in range(2)]
    memory = Memory()
    for _ in range(5):
        for first in words:
            page = b"<p>" + first + b"<p>" + words[0] + b"<i>" + words[1] + LINK
            body = page + b"<u>%d</u>" % random.getrandbits(40)
            assert memory.visit(b"gzip", body, b"kmi=aaaa", [], pauses=False) == filled(body, b"kmi=aaaa")


def test_what_is_remembered_is_bounded() -> None:
    memory = Memory(max_bytes=100_000)
    for seed in range(40):
        for _ in range(3):
            memory.visit(b"gzip", route(seed), b"kmi=aaaa", [], pauses=False)

    assert sum(3 * len(key.data) + 2048 for key in memory.chunks._chunks) <= 100_000
    assert 0 < len(memory.templates._templates) < 10


def test_a_template_of_another_length_or_page_is_not_used() -> None:
    memory = Memory()
    page = route(4)
    for _ in range(3):
        memory.visit(b"gzip", page, b"kmi=aaaa", [], pauses=False)

    assert memory.visit(b"gzip", page, b"kmi=aaaaa", [], pauses=False) == filled(page, b"kmi=aaaaa")
    assert memory.visit(b"gzip", page + b"x", b"kmi=aaaa", [], pauses=False) == filled(
        page + b"x", b"kmi=aaaa"
    )


@pytest.mark.parametrize("coding", sorted(compressed.CODINGS))
@pytest.mark.parametrize("length", [5, 36, 95, 700])
def test_a_compressed_template_is_true_for_any_text_of_its_length(coding: bytes, length: int) -> None:
    page = route(5, 3000)
    pieces = page.replace(LINK, LINK[:-2] + b"?\0" + LINK[-2:]).split(b"\0")
    template = compressed.build(pieces, length, coding)
    assert template is not None
    for seed in range(5):
        text = bytes(random.Random(seed).choices(b"abcXYZ019%=&;-_", k=length))
        assert decoded(coding, template.fill(text)) == text.join(pieces)


@pytest.mark.no_cover
@given(
    st.lists(st.binary(max_size=80), min_size=1, max_size=12),
    st.integers(1, 60),
    st.sampled_from(sorted(compressed.CODINGS)),
)
@settings(max_examples=400, deadline=None)
def test_a_template_of_any_bytes_is_true_or_there_is_none(
    pieces: list[bytes], length: int, coding: bytes
) -> None:
    template = compressed.build(pieces, length, coding)
    if template is not None:
        text = b"~" * length
        assert decoded(coding, template.fill(text)) == text.join(pieces)


def test_what_an_encoder_makes_of_a_marker_is_never_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "compress", lambda *_, **__: (b"\x03", b"\x00"))

    assert compressed.build([b"a", b"b"], 4, b"gzip") is None


def test_a_chunk_that_can_not_be_patched_is_compressed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "compress", lambda *_, **__: (b"\x03", b"\x00"))
    memory = Memory()
    page = route(6)
    for number in range(5):
        spot = page + b"<li>%04d" % number
        assert memory.visit(b"gzip", spot, b"kmi=aaaa", [], pauses=False) == filled(spot, b"kmi=aaaa")
    assert any(None in chunk.blocks.values() for chunk in memory.chunks._chunks.values())
