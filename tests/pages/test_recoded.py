"""Pages that come plain and leave compressed: whatever becomes of one, it is in the coding that was said."""

from __future__ import annotations

import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages_kit import PAGE, cut, decoded, every_way, scan

from kmproxy.pages.chunks import ChunkCache, Texts
from kmproxy.pages.rewriter import MAX_WHOLE, PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.pages.templates import Templates

LINK = b'<a href="https://b.example/p">'
LINKED = b"<p>one " + LINK + b"two</a>" + LINK
PAGES = {
    "linked": LINKED,
    "linking-nowhere": b"<p>nothing to see",
    "naming-a-domain": b"<p>b.example",
    "empty": b"",
    "utf-16": LINKED.decode().encode("utf-16"),
    "another-charset": b"<meta charset=iso-2022-jp>" + LINKED,
    "half-a-mark": b"\xef\xbb",
    "late-base": LINK + b'<base href="https://c.example/"><a href="/q">',
    "unfinished": LINKED + b"<a href='https://b.exa",
}
LET_BY = ("utf-16", "another-charset")
CODINGS = [b"gzip", b"br", b"zstd"]
TEXT = b"kmi=bob"


def filled(name: str) -> bytes:
    page = PAGES[name]
    return page if name in LET_BY else page.replace(b'/p">', b'/p?kmi=bob">')


class Site:
    """What is remembered of the pages of one site."""

    def __init__(self) -> None:
        self._cache = ChunkCache(1 << 24)
        self._templates = Templates(1 << 24)
        self._rules = scan()._scanner

    def visit(self, page: list[bytes], coding: bytes, *, pausing: bool = False, came: bytes = b"") -> bytes:
        new_scan = partial(PageScan, self._rules, "www.a.example", PAGE, self._cache)
        rewriter = PageRewriter(came, new_scan, Texts(TEXT), self._templates, PAGE, 0, coding)
        out = b""
        for part in page:
            out += rewriter.write(part) + (rewriter.flush() if pausing else b"")
        out += rewriter.finish()
        for job in rewriter.jobs:
            job()
        return out


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_same_the_first_time_and_from_its_template(name: str, coding: bytes) -> None:
    site = Site()
    for came in (b"", b"identity", b"", b"identity"):
        assert decoded(coding, site.visit([PAGES[name]], coding, came=came)) == filled(name)


@pytest.mark.parametrize("pausing", [False, True])
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", sorted(PAGES.keys() - {"another-charset"}))
def test_a_page_is_the_same_in_whatever_pieces_it_comes(name: str, coding: bytes, pausing: bool) -> None:
    site = Site()
    for way in every_way(PAGES[name]):
        assert decoded(coding, site.visit(way, coding, pausing=pausing)) == filled(name)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_charset_that_is_said_in_the_page_lets_it_by(coding: bytes) -> None:
    page = PAGES["another-charset"]
    for way in every_way(page):
        assert decoded(coding, Site().visit(way, coding)) == page
    assert decoded(coding, Site().visit([page[:40], page[40:]], coding, pausing=True)) == page


@given(st.binary(max_size=60), st.lists(st.integers(0, 200)), st.sampled_from(CODINGS), st.booleans())
def test_bytes_of_any_kind_leave_in_the_coding(
    noise: bytes, places: list[int], coding: bytes, pausing: bool
) -> None:
    page = noise + b"<p>" + noise * 2
    assert decoded(coding, Site().visit(cut(page, places), coding, pausing=pausing)) == page


@pytest.mark.parametrize("coding", CODINGS)
def test_a_page_too_long_to_wait_for_streams(coding: bytes) -> None:
    site, page = Site(), LINKED * (MAX_WHOLE // len(LINKED) + 9)
    for _ in range(3):
        out = site.visit([page[at : at + 30_000] for at in range(0, len(page), 30_000)], coding)
        assert decoded(coding, out) == page.replace(b'/p">', b'/p?kmi=bob">')
        assert len(out) < len(page) // 20


@pytest.mark.parametrize("name", ["linked", "linking-nowhere"])
@pytest.mark.parametrize("coding", CODINGS)
def test_a_page_from_its_template_is_not_scanned(
    coding: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site()
    for _ in range(2):
        site.visit([PAGES[name]], coding)
    monkeypatch.delattr(PageScan, "feed")
    assert decoded(coding, site.visit([PAGES[name]], coding)) == filled(name)


def test_a_plain_page_and_one_that_claims_to_be_compressed_share_no_template() -> None:
    site = Site()
    for _ in range(3):
        site.visit([LINKED], b"gzip")
    assert site.visit([LINKED], b"", came=b"gzip") == LINKED
    assert decoded(b"br", site.visit([LINKED], b"br")) == filled("linked")


@pytest.mark.parametrize("name", ["linked", "utf-16"])
def test_of_a_page_that_breaks_off_all_that_came_can_be_read(name: str) -> None:
    for pausing in (False, True):
        rewriter = PageRewriter(b"", scan, Texts(TEXT), Templates(1 << 24), PAGE, 0, b"gzip")
        out = rewriter.write(PAGES[name]) + (rewriter.flush() if pausing else b"") + rewriter.salvage()
        stream = zlib.decompressobj(31)
        page = stream.decompress(out)
        assert page in (PAGES[name], filled(name))
        assert not stream.eof
