"""Character references in attribute values, as the tokenizer reads them."""

from __future__ import annotations

from html.entities import html5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from kmproxy.links.entities import decode


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("", ""),
        ("a&amp;b", "a&b"),
        ("a&ampb", "a&ampb"),
        ("a&amp=b", "a&amp=b"),
        ("a&amp b", "a& b"),
        ("a&amp", "a&"),
        ("&amp;amp;", "&amp;"),
        ("&&amp;&", "&&&"),
        ("&copy;=", "©="),
        ("&copy=", "&copy="),
        ("&copy1", "&copy1"),
        ("&copyé", "©é"),
        ("&copy_", "©_"),
        ("&copy&copy", "©©"),
        ("&copyx;", "&copyx;"),
        ("&notin;", "∉"),
        ("&notit;", "&notit;"),
        ("&not;in", "¬in"),
        ("&quest;&num;&colon;&sol;&commat;", "?#:/@"),
        ("&quest", "&quest"),
        ("&QUEST;", "&QUEST;"),
        ("&AMP;&Amp;", "&&Amp;"),
        ("&bne;", "=\u20e5"),
        ("&nosuch;", "&nosuch;"),
        ("&;&#;&#x;&#xg;&#-1;", "&;&#;&#x;&#xg;&#-1;"),
        ("&#63;&#063&#x3f;&#X3Fg", "????g"),
        ("&#x3fd", "\u03fd"),
        ("&#x110000;&#xD800;&#0;&#x0;", "\ufffd\ufffd\ufffd\ufffd"),
        ("&#128;&#x9f;&#129;", "€Ÿ\x81"),
        ("&#1;&#11;&#13;&#127;&#xFFFE;", "\x01\x0b\r\x7f\ufffe"),
        ("&#x1F600;", "\U0001f600"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),
        ("&#" + "0" * 5000 + "65;", "A"),
        ("&#x" + "0" * 5000 + "41;", "A"),
    ],
)
def test_a_reference_is_read_as_in_an_attribute(raw: str, text: str) -> None:
    assert decode(raw)[0] == text


def test_every_named_reference_is_known() -> None:
    for name, text in html5.items():
        assert decode(f"&{name}")[0] == text


def test_each_character_knows_where_it_began() -> None:
    assert decode("a&amp;b&bne;c") == ("a&b=\u20e5c", [0, 1, 6, 7, 7, 12, 13])


PIECES = st.sampled_from(
    ["&", "#", "x", "X", ";", "=", "amp", "copy", "not", "in", "quest", "1", "3f", "0", "é", " "]
)
VALUES = st.lists(PIECES, max_size=12).map("".join)


@pytest.mark.no_cover
@given(VALUES)
@settings(max_examples=500, deadline=None)
def test_places_point_at_what_each_character_was_read_from(raw: str) -> None:
    text, places = decode(raw)

    assert len(places) == len(text) + 1
    assert places == sorted(places)
    assert places[-1] == len(raw)
    assert all(raw[place] in (char, "&") for char, place in zip(text, places, strict=False))


@pytest.mark.no_cover
@given(st.lists(VALUES, min_size=20, max_size=20))
@settings(max_examples=100, deadline=None)
def test_values_read_as_a_browser_engine_reads_them(values: list[str]) -> None:
    page = "".join(f'<p title="{value}">' for value in values)
    seen = [paragraph.attributes["title"] for paragraph in LexborHTMLParser(page).css("p")]

    assert [decode(value)[0] for value in values] == seen
