"""The fast paths: passing whole elements by at once changes nothing but the time it takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages_fuzz import HOSTS, NAMES, TOKENS, fast, no_plain_links, slow, walks
from pages_growth import CountingScanner, is_linear, walked
from pages_kit import ELEMENTS, cut

from kmproxy.links.decorate import Slot
from kmproxy.pages.elements import Elements
from kmproxy.pages.scanner import Walked
from kmproxy.site import resolve_base

DRAWN = [
    b"<svg>",
    b"<svg viewBox='0 0 1 1'>",
    b'<SVG class="x" >',
    b"<svg / >",
    b"<svg a=b/>",
    b"<svg/>",
    b"<path d='M0 0'/>",
    b"<g>",
    b"</g>",
    b"<use href='#x'/>",
    b"<style>",
    b"</style>",
    b"<text x=1>",
    b"<title>",
    b"<title id=1>",
    b'<title id="1">',
    b"</title>",
    b"<desc>",
    b"</desc>",
    b"</svg>",
    b"</SVG >",
    b"<title/>",
    b"<title>x</desc>",
    b"<!-- x -->",
    b"<!-- <g> -->",
    b"<a href='//b.example/'>",
    b"</a>",
    b"</svg x>",
    b"<p>",
    b"x < y",
    b'<svg a=">"/>',
    b"<math>",
    b"</math>",
    b"<mi>",
    b"<foreignObject>",
]
WHOLE = [
    *(
        b"<%b>%b</%b>" % (name, text, name)
        for name in (b"script", b"style", b"title", b"noscript", b"textarea")
        for text in (b"", b"x<y", b"<a href=//b.example/>", b"<!--", b"<!-- <script> -->", b"</%b/><" % name)
    ),
    b"<meta charset=x>",
    b"<META name='x' content='<a>'/>",
    b"<meta http-equiv=refresh content=1>",
    b"<meta HTTP-EQUIV='Refresh' content='0;url=//b.example/'>",
    b"<!-- x --><!doctype html>",
    b"<!x",
]
LINKS = [
    b"<a%b href=%b%b%b%b>" % (before, quote, url, quote, after)
    for before in (b"", b" x", b" x=y", b' title="<>"', b" data-kmproxy=off", b"\n", b"/")
    for quote in (b'"', b"'", b"")
    for url in (
        b"//b.example",
        b"https://b.example/p#q",
        b"q",
        b"/p",
        b"#q",
        b"mailto:x",
        b"//c.example/",
        b"",
        b"//x.w.example:80?y",
        b"//b.example.",
        b"//b.examples/",
        b"//w.example/",
        b"/\t/b.example",
        b"//c.example@b.example/",
        b" //b.example",
        b"ht\ntps://b.example",
        b"/&#47;b.example",
        b"\\\\b.example",
    )
    for after in (b"", b" x='y'", b" href=q", b"/", b' DATA-kmproxy="off"')
]
ends = st.sampled_from([b"", b"x", b"<", b">", b"<p>", b"</p>"])
parts = st.one_of(
    st.sampled_from(LINKS),
    st.sampled_from(WHOLE),
    st.sampled_from(DRAWN),
    st.sampled_from(DRAWN),
    st.sampled_from(TOKENS),
    st.binary(max_size=3),
)
html = st.lists(st.tuples(parts, ends).map(b"".join), max_size=14).map(b"".join)
places = st.one_of(st.lists(st.integers(0, 400), max_size=5), st.just(list(range(600))))


def decided(found: list[Walked]) -> list[tuple[object, ...]]:
    """All but the links left alone, of which those that plainly lead elsewhere are not counted."""
    return [(walked.pieces, walked.kinds, walked.after) for walked in found]


@pytest.mark.no_cover
@given(html, places, st.sampled_from(NAMES), st.booleans())
@settings(max_examples=1000, deadline=None)
def test_the_fast_paths_end_where_the_slow_ones_do(
    page: bytes, at: list[int], names: tuple[str, ...], refresh: bool
) -> None:
    chunks = cut(page, at)
    with no_plain_links():
        expected = walks(slow(names, refresh=refresh), chunks)

    assert walks(fast(names, refresh=refresh, hosts=False), chunks) == expected
    assert decided(walks(fast(names, refresh=refresh), chunks)) == decided(expected)


@pytest.mark.parametrize("names", NAMES)
def test_every_link_is_found_by_the_fast_paths_as_by_the_slow_ones(names: tuple[str, ...]) -> None:
    for page in [*LINKS, *WHOLE]:
        with no_plain_links():
            expected = decided(walks(slow(names), [page]))
        assert decided(walks(fast(names), [page])) == expected


HARD = [
    # What begins something whole that never ends, or ends otherwise.
    ("<script>", "", ""),
    ("<script>", "", "</script>"),
    ("<", "<script>", ""),
    ("<!-", "<script>", "</script>"),
    ("</scrip", "<script>", "</script>"),
    ("<script>x</script x>", "", ""),
    ("<script><!--</script>", "", ""),
    ("<script><!--<script>--></script>", "", ""),
    *((f"<{name}>", "", "") for name in ("style", "title", "noscript", "textarea")),
    *((f"<{name}></{name} x>", "", "") for name in ("style", "title", "noscript", "textarea")),
    *(("<", f"<{name}>", end) for name in ("style", "title") for end in ("", f"</{name}>")),
    ("<style", "", ""),
    ("-", "<!--", ""),
    ("-", "<!--", "-->"),
    ("--!", "<!--", "-->"),
    ("<!---", "", ""),
    ("<!-->", "", ""),
    ("<!--x--!", "", ""),
    ("<!x", "", ""),
    ("<!x<", "", ""),
    ("<svg>", "", "</svg>"),
    ("<g>", "<svg>", ""),
    ("<g>", "<svg>", "</svg>"),
    ("<g>", "<svg>", "<p>"),
    ("<g/>x", "<svg>", "</svg x>"),
    ("<svg><g>", "", ""),
    ("<svg><g>", "", "<p>"),
    ("<svg><g></svg x>", "", ""),
    ("<svg><g><p>", "", ""),
    ("<svg><title>", "", ""),
    ("<title>", "<svg>", ""),
    ("<title>x</title>", "<svg>", ""),
    ("<title>x</title>", "<svg>", "</svg>"),
    ("<desc>x</title>", "<svg>", ""),
    ("<title x='y'>x</desc>", "<svg>", ""),
    ("<svg x='>'/>", "", ""),
    ("<svg ", "", ""),
    ("<svg/", "", ""),
    ("<svg x>", "<svg>", ""),
    ("<!-- x -->", "<svg>", ""),
    ("<!--", "<svg>", ""),
    ("<meta ", "", ""),
    ("<meta x=1 ", "", ">"),
    (" x=1", "<meta", ">"),
    (" x=1", "<meta", ""),
    (" x='1'", "<meta", " http-equiv=refresh>"),
    (" /", "<meta", ""),
    (" http", "<meta", ">"),
    ("<meta http-", "", ""),
    # Links.
    ("<a x=1 ", "", ""),
    ("<a x=1 ", "", ">"),
    (" x=1", "<a", ">"),
    (" x=1", "<a", " href='//b.example/'>"),
    (" x=1", "<a href='//b.example/'", ">"),
    (" x=1", "<a href='//b.example/'", " data-kmproxy=off>"),
    (" href=q", "<a", ">"),
    (" href='q'", "<a", " href=q>"),
    (" href='//b.example'", "<a", ">"),
    (" href='", "<a", ">"),
    ("\n", "<a", ">"),
    (" =", "<a", ">"),
    (" x='", "<a", ""),
    ("<a href='q'>", "", ""),
    ("<a href='//b.example/'>", "", ""),
    ("<a href='//b.example/' x", "", ""),
    ("a.", "<a href='//", "'>"),
    ("a.", "<a href='//", "w.example'>"),
    ("a.", "<a href='//", ""),
    ("a", "<a href='//", "'>"),
    ("a-", "<a href='//", ":1x'>"),
    ("1", "<a href='//x:", "x'>"),
    ("x.w.example", "<a href='//", "@'>"),
    ("%", "<a href='", ":'>"),
    ("/", "<a href='", "'>"),
    ("#", "<a href='", "'>"),
    # Everything else.
    ('<p x="y" ', "", ""),
    (' x="y"', "<p", ""),
    (' x="y"', "<p", " z>"),
    (' x="y"z', "<p", ">"),
    ("</form>", "", ""),
    ("<form>", "", ""),
    ("<form ", "", ""),
    ("</form ", "", ""),
    ("<iframe>", "", ""),
    ("<base>", "", ""),
    ("<base href=q>", "", ""),
    ("<math><annotation-xml encoding=text/html>", "", ""),
    ("</a>", "<svg>" + "<a>" * 50, ""),
    ("<a>", "<svg>", ""),
    ("<>", "", ""),
    ("<1", "", ""),
]


@pytest.mark.no_cover
@pytest.mark.parametrize(("unit", "start", "end"), HARD)
def test_what_fails_fast_fails_in_time(unit: str, start: str, end: str) -> None:
    assert is_linear(_rules(), start, unit, end)


@pytest.mark.no_cover
@pytest.mark.parametrize("step", [1 << 30, 1024])
@pytest.mark.parametrize(("unit", "start", "end"), HARD)
def test_what_fails_fast_is_not_walked_again_and_again(unit: str, start: str, end: str, step: int) -> None:
    page = (start + unit * (60_000 // len(unit)) + end).encode()

    assert walked(_rules(), cut(page, range(0, len(page), step))) < 7 * len(page)


def _rules() -> CountingScanner:
    elements = Elements([*ELEMENTS, "form", "iframe"], refresh=True)
    return CountingScanner(elements, lambda raw, base: Slot(0, b""), resolve_base, HOSTS)
