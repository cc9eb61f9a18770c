"""gzip bodies that differ in their headers alone are one page; no others are."""

from __future__ import annotations

import gzip
import io
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages_kit import PAGE, decoded, scan

from kmproxy.pages.chunks import Texts
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.pages.templates import Templates, undated

LINKED = b'<a href="https://b.example/p">'
TEXT = b"kmi=bob"


def named(page: bytes, name: str, time: int = 0) -> bytes:
    """As Django hides a page's length."""
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=out, mtime=time) as stream:
        stream.write(page)
    return out.getvalue()


def visit(templates: Templates, body: bytes) -> bytes:
    rewriter = PageRewriter(b"gzip", scan, Texts(TEXT), templates, PAGE)
    out = rewriter.write(body) + rewriter.finish()
    for job in rewriter.jobs:
        job()
    return out


@pytest.mark.parametrize("name", ["", "noise{}"])
def test_a_page_compressed_anew_at_another_time_is_filled_from_its_template(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = Templates(1 << 24)
    bodies = [named(LINKED, name.format("x" * time), 1_700_000_000 + time) for time in range(4)]
    assert len(set(bodies)) == 4
    for body in bodies[:2]:
        visit(templates, body)
    monkeypatch.delattr(PageScan, "feed")
    for body in bodies[2:]:
        assert decoded(b"gzip", visit(templates, body)) == LINKED.replace(b'">', b'?kmi=bob">')


def test_a_page_without_a_link_leaves_with_its_own_header() -> None:
    templates = Templates(1 << 24)
    for time in range(4):
        body = gzip.compress(b"<p>nothing", mtime=time)
        assert visit(templates, body) == body


def test_what_is_no_gzip_is_not_mended_by_a_page_that_is() -> None:
    templates, body = Templates(1 << 24), gzip.compress(LINKED, mtime=1)
    for _ in range(3):
        visit(templates, body)
    for broken in (body[10:], body[:4] + body[10:], body[:9], body[:10], b"\x1f\x8b\x08\x08" + body[10:]):
        assert visit(templates, broken) == broken


def test_a_plain_page_that_looks_like_gzip_is_what_it_is() -> None:
    templates = Templates(1 << 24)
    for time in (*range(3), *range(3)):
        page = gzip.compress(LINKED, mtime=time)
        rewriter = PageRewriter(b"", scan, Texts(TEXT), templates, PAGE, 0, b"br")
        assert decoded(b"br", rewriter.write(page) + rewriter.finish()) == page
        for job in rewriter.jobs:
            job()


heads = st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x08", b"\x1f\x8b\x08\x0c", b"\x1f\x8b"])
bodies = st.builds(bytes.__add__, heads, st.binary(max_size=14))


@given(st.lists(bodies, min_size=2, max_size=6))
def test_bodies_come_to_the_same_only_if_they_say_the_same(bodies: list[bytes]) -> None:
    for one, other in combinations(bodies, 2):
        assert (undated(b"br", one) == undated(b"br", other)) == (one == other)
        if undated(b"gzip", one) == undated(b"gzip", other) and one != other:
            assert _said(one) == _said(other)


def _said(body: bytes) -> bytes:
    """What a gzip member holds behind a header without options, or with a name."""
    assert body[:3] == b"\x1f\x8b\x08"
    assert body[3] in (0, 8)
    return body[10:] if body[3] == 0 else body[10:].partition(b"\0")[2]
