"""The golden rule: the output without the inserted parameters is the input, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages_kit import bytewise, cut, decoded, encoded, pieces, rewriter, scan, slot

from kmproxy.links.decorate import Skip, Slot
from kmproxy.pages.scan import PageScan

MARK = b"kmi=\x00\x01inserted\x01\x00"
"""No page of the strategy holds it."""

NAMES = [
    *(
        "a",
        "A",
        "area",
        "title",
        "script",
        "style",
        "svg",
        "math",
        "foreignObject",
        "desc",
        "mi",
        "p",
        "base",
    ),
    *("textarea", "noscript", "template", "b", "plaintext"),
]
URLS = [
    *(
        "https://b.example",
        "//b.example/p",
        "https://b.example/p?",
        "https://b.example/p?x&amp;",
        "http://b.example?x",
    ),
    *(
        "https://b.example/#f",
        "HTTPS:\\\\B.EXAMPLE",
        " https://b.example/p&#63; ",
        "https://b.example/&copy",
        "q",
        "",
    ),
    *(
        "https://b.example/?kmi=1",
        "https://c.example/",
        "https://b&period;example&num;",
        "https://b.example/\0",
        "?",
    ),
]
QUOTES = ['"', "'", "", " "]

attributes = st.one_of(
    st.builds(
        lambda url, quote: f" href={quote}{url}{quote}", st.sampled_from(URLS), st.sampled_from(QUOTES)
    ),
    st.sampled_from(
        [" href", "/href=", " title='>'", ' x=">"', " =", " x=y/", "'", '"', " data-kmproxy=off", "\0", "<"]
    ),
)
tags = st.builds(
    lambda slash, name, attrs, end: f"<{slash}{name}{''.join(attrs)}{end}",
    st.sampled_from(["", "", "", "/"]),
    st.sampled_from(NAMES),
    st.lists(attributes, max_size=4),
    st.sampled_from([">", ">", ">", "/>", " >", ""]),
)
links = st.builds(
    lambda name, url, quote: f"<{name} href={quote}{url}{quote}>",
    st.sampled_from(["a", "A", "area"]),
    st.sampled_from(URLS),
    st.sampled_from(QUOTES[:3]),
)
markup = st.sampled_from(
    [
        *(
            "<!--",
            "-->",
            "--!>",
            "<!-->",
            "<!--->",
            "<!doctype html>",
            "<?",
            "</",
            "</>",
            "<!",
            "<![CDATA[",
            "]]>",
        ),
        *(
            "<",
            ">",
            "<<",
            "&",
            "-",
            "=",
            "</script",
            "<script",
            "<plaintext",
            "</title\n",
            "<svg/>",
            "text",
            "\r\n",
        ),
    ]
)
pages = st.lists(
    st.one_of(
        links.map(str.encode),
        links.map(str.encode),
        tags.map(str.encode),
        markup.map(str.encode),
        st.binary(max_size=9),
    ),
    max_size=14,
).map(b"".join)
places = st.one_of(st.lists(st.integers(min_value=0, max_value=600), max_size=8), st.just(range(2000)))
codings = st.sampled_from(
    [
        (b"", False),
        (b"gzip", False),
        (b"deflate", False),
        (b"deflate", True),
        (b"br", False),
        (b"zstd", False),
    ]
)


def recording() -> tuple[PageScan, list[bytes]]:
    """A page's scan, and the leads it was told to put before its slots, in their order."""
    leads: list[bytes] = []

    def find(raw: bytes, base: str) -> Slot | Skip:
        found = slot(raw, base)
        if isinstance(found, Slot):
            leads.append(found.lead)
        return found

    return scan(find=find), leads


def without(parts: list[bytes], leads: list[bytes]) -> bytes:
    """The parts between the slots, each less the lead at its end."""
    assert len(parts) == len(leads) + 1
    assert all(part.endswith(lead) for part, lead in zip(parts, leads, strict=False))
    kept = (part[: len(part) - len(lead)] for part, lead in zip(parts, leads, strict=False))
    return b"".join(kept) + parts[-1]


@pytest.mark.no_cover
@given(pages, places)
@settings(max_examples=800, deadline=None)
def test_the_pieces_less_their_leads_are_the_page_and_no_cut_changes_them(page: bytes, at: list[int]) -> None:
    by, leads = recording()
    whole = pieces([page], by)

    assert without(whole, leads) == page
    assert whole == pieces(cut(page, at)) == pieces(bytewise(page))


@pytest.mark.no_cover
@given(pages, places, codings)
@settings(max_examples=800, deadline=None)
def test_the_output_less_what_was_inserted_is_the_input(
    page: bytes, at: list[int], coding: tuple[bytes, bool]
) -> None:
    name, raw = coding
    by, leads = recording()
    page_rewriter = rewriter(name, MARK, by)
    chunks = cut(encoded(name, page, raw=raw), at)

    out = b"".join([*map(page_rewriter.write, chunks), page_rewriter.finish()])

    if page_rewriter.left_alone:
        assert out == b"".join(chunks)
        assert page[:2] in (b"\xfe\xff", b"\xff\xfe")
        return
    # A page with a late <base> is looked at twice: its last links count.
    counted = leads[len(leads) - page_rewriter.decorated :]
    assert counted == leads or "base" in page.decode("latin-1").lower()
    assert without(decoded(name, out).split(MARK), counted) == page


@pytest.mark.no_cover
@given(pages)
@settings(max_examples=300, deadline=None)
def test_decorating_a_page_twice_changes_nothing(page: bytes) -> None:
    once = b"kmi=v".join(pieces([page]))

    assert pieces([once]) == [once]
