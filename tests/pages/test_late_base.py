"""``<base>``: the first with an href counts for all links, also those before it (HTML §4.2.3)."""

from __future__ import annotations

from functools import partial

import pytest
from pages_kit import PAGE, decoded, encoded, rewriter, scan, slot

from kmproxy.pages.chunks import ChunkCache, Texts
from kmproxy.pages.elements import Elements
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import Scanner
from kmproxy.pages.templates import Templates
from kmproxy.site import resolve_base

BASE = "<base href='https://b.example/'>"
LATE = {
    "a relative link": ("<a href=q>" + BASE, "<a href=q?kmi=v>" + BASE),
    "links on both sides": (f"<a href=q>{BASE}<a href=r>", f"<a href=q?kmi=v>{BASE}<a href=r?kmi=v>"),
    "a second base": (
        f"<a href=q>{BASE}<base href='https://c.example/'><a href=r>",
        f"<a href=q?kmi=v>{BASE}<base href='https://c.example/'><a href=r?kmi=v>",
    ),
    "a base without an href": (f"<base target=x><a href=q>{BASE}", f"<base target=x><a href=q?kmi=v>{BASE}"),
    "a link that leads away from it": (
        "<a href='//b.example/'><area href=q><base href='https://c.example/'>",
        "<a href='//b.example/?kmi=v'><area href=q><base href='https://c.example/'>",
    ),
}
CODINGS = [b"gzip", b"br", b"zstd"]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(("page", "expected"), LATE.values(), ids=LATE.keys())
def test_a_base_behind_a_link_counts_for_it_where_the_page_is_whole(
    page: str, expected: str, coding: bytes
) -> None:
    whole = rewriter(coding, b"kmi=v")

    out = whole.write(encoded(coding, page.encode())) + whole.finish()

    assert decoded(coding, out).decode() == expected
    assert whole.decorated == expected.count("kmi=v")
    assert "late-base" not in whole.skipped


def test_a_page_with_a_late_base_is_filled_the_same_way_when_it_is_seen_again() -> None:
    rules = Scanner(Elements(["a"]), slot, resolve_base)
    chunks, templates = ChunkCache(1 << 20), Templates(1 << 20)
    page, expected = LATE["links on both sides"]
    for text in (b"kmi=v", b"kmi=w", b"kmi=x"):
        scan = partial(PageScan, rules, "www.a.example", PAGE, chunks)
        one = PageRewriter(b"gzip", scan, Texts(text), templates, PAGE)
        out = one.write(encoded(b"gzip", page.encode())) + one.finish()
        for job in one.jobs:
            job()
        assert decoded(b"gzip", out) == expected.encode().replace(b"kmi=v", text)
        assert one.decorated == 2


def test_links_behind_a_late_base_are_looked_at_though_most_are_passed_by_for_speed() -> None:
    """A relative link is only harmless as long as the base is the document's own host."""
    rules = Scanner(Elements(["a"]), slot, resolve_base, (rb"b\.example",), (b"b.example",))
    scan = partial(PageScan, rules, "www.a.example", PAGE, ChunkCache(1 << 20))
    whole = PageRewriter(b"gzip", scan, Texts(b"kmi=v"), Templates(1 << 20), PAGE)
    page = f'<a href="q">x</a>{BASE}<a href="r">y</a>'

    out = whole.write(encoded(b"gzip", page.encode())) + whole.finish()

    assert decoded(b"gzip", out).decode() == page.replace('"q"', '"q?kmi=v"').replace('"r"', '"r?kmi=v"')


@pytest.mark.parametrize("coding", [b"", *CODINGS])
def test_what_has_left_before_a_late_base_is_counted(coding: bytes) -> None:
    streamed = rewriter(coding, b"kmi=v")
    start, rest = "<a href=q>", BASE + "<a href=r>"
    body = encoded(coding, (start + rest).encode())

    out = streamed.write(body[:-9]) + streamed.flush() + streamed.write(body[-9:]) + streamed.finish()

    assert decoded(coding, out).decode() == start + BASE + "<a href=r?kmi=v>"
    assert streamed.skipped["late-base"] == 1


@pytest.mark.parametrize(
    "page",
    [
        BASE + "<a href=q>",
        "<abbr>" + BASE,
        "<a href=q><base href='/elsewhere/'>",
        "<a href=q><base href='https://www.a.example/x'>",
        "<a href=q><base>",
        "<a href=q><!-- " + BASE + " -->",
        "<base href='/'><a href=q>" + BASE,
    ],
)
def test_a_base_that_changes_no_link_before_it_is_not_late(page: str) -> None:
    by = scan(page="https://www.a.example")
    by.feed(page.encode())
    by.finish()

    assert "late-base" not in by.skipped


@pytest.mark.parametrize(
    ("refresh", "late"), [("<meta http-equiv=refresh content='0;url=q'>", 1), ("<meta name=x>", 0)]
)
def test_a_refresh_before_a_base_is_a_link_where_it_is_decorated(refresh: str, late: int) -> None:
    rules = Scanner(Elements(["a"], refresh=True), slot, resolve_base)
    by = PageScan(rules, "www.a.example", PAGE, ChunkCache(1 << 20))
    by.feed((refresh + BASE).encode())
    by.finish()

    assert by.skipped.get("late-base", 0) == late
