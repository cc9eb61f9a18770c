"""The tokenizer's hazards: which hrefs are links, however the page is cut.

In the tables ``@`` stands for a URL that leads to the other domain and must be decorated,
``~`` for one that must not.
"""

from __future__ import annotations

import pytest
from pages_growth import CountingScanner, is_linear, walked
from pages_kit import ELEMENTS, cut, every_way, pieces, scan

from kmproxy.links.decorate import Slot
from kmproxy.pages import scanner as module
from kmproxy.pages.elements import Elements
from kmproxy.site import resolve_base

URL = "https://b.example/p"
TEXT = b"kmi=v"
LINK = '<a href="@">'

TAGS = [
    '<a href="@">x</a>',
    "<a href='@'>x</a>",
    "<a href=@>x</a>",
    "<a href = @ >",
    "<a\nhref\t=\r\n\f'@'>",
    "<A HREF='@'>",
    "<aReA hReF=@>",
    "<a/href=@>",
    "<a / href=@>",
    '<a//href="@"/>',
    '<a href="@"class=x>',
    '<a class="x"href="@">',
    "<a class='>' href='@'>",
    '<a title="a > b <b>" href="@" alt=">">',
    "<a title=\"'\" href='@'>",
    "<a title=x\"y'z href=@>",
    '<a title= href="~">',
    '<a title="" href="@">',
    "<a title href=@>",
    "<a title=> <a href=@>",
    "<a =href=~>",
    "<a =x href=@>",
    "<a x==href=~ href=@>",
    "<a x/=href href=@>",
    "<a <b href=@>",
    "<a<b href=~>",
    '<p x=">"<a href="~">' + LINK,
    "<a href=@ x> <a href=@>",
    "<a 'x' href=@>",
    '<a "href=~">',
    '<a href="@" href="~">',
    '<a HREF="@" href="~">',
    "<a href href=~>",
    "<a href= href=~>",
    "<a href='' href=~>",
    "<a xlink:href=~>",
    "<a data-href=~ href2=~>",
    "<a hre\0f=~>",
    "<a\0 href=~>",
    "<a \0 href=@>",
    "<a href=@ x=\0\1\x7f>",
    "<abbr href=~><article href=~><a-b href=~><a1 href=~><aside href=~>",
    "<link href=~><form action=~><img src=~><button formaction=~>",
    "< a href=~><1a href=~><% href=~>",
    "</a href=~>" + LINK,
    "</ a href=~>" + LINK,
    "<<a href=@>",
    "<\n<a href=@>",
    "a < b && c > d <a href=@>",
    "<a href=@><a href=@></a></a>",
    "<area href=@ />",
    '<a href="@" data-kmproxy="on">',
    '<a href="~" data-kmproxy="off">',
    "<a DATA-KMPROXY=OFF href=~>",
    "<a data-kmproxy=off data-kmproxy=on href=~>",
    "<a data-kmproxy=on data-kmproxy=off href=@>",
    "<a data-kmproxy href=@>",
]
MARKUP = [
    "<!---->" + LINK,
    "<!-->" + LINK,
    "<!--->" + LINK,
    "<!--> <a href=@> -->",
    "<!--->" + LINK + "-->",
    "<!-- <a href=~> -->" + LINK,
    "<!-- <a href=~> --!>" + LINK,
    "<!----!>" + LINK,
    "<!--!> <a href=~> -->" + LINK,
    "<!--!>-->" + LINK,
    "<!-- -- > <a href=~> --->" + LINK,
    "<!-- --!-> <a href=~> -->" + LINK,
    "<!-- --!--><a href=@>",
    "<!-- <!-- --> <a href=@> -->",
    "<!-- <!--> <a href=@>",
    "<!-- <!-> <a href=~> -->" + LINK,
    "<!-- --\0> <a href=~> -->" + LINK,
    "<!-- -> <a href=~>",
    "<!--",
    "<!--a href=~",
    "<!- <a href=~>" + LINK,
    "<!-<a href=~>" + LINK,
    "<!>" + LINK,
    "<! <a href=~>" + LINK,
    "<!DOCTYPE html><a href=@>",
    "<!doctype html PUBLIC '>' <a href=@>",
    "<!doctype html [<a href=~>]>" + LINK,
    "<?xml version='1.0'?><a href=@>",
    "<?php echo '>' ?> <a href=@>",
    "<? <a href=~>" + LINK,
    "<?>" + LINK,
    "</>" + LINK,
    "</ x <a href=~>" + LINK,
    "</1 <a href=~>" + LINK,
    "</?<a href=~>" + LINK,
    "<![CDATA[ <a href=~> <a href=@> ]]>",
    "<![CDATA[>" + LINK + "]]>",
    "<![cdata[ <a href=~>" + LINK,
    "<![CDAT <a href=~>" + LINK,
]
RAW_TEXT = [
    *(
        case.replace("NAME", name)
        for name in ("title", "textarea", "style", "xmp", "iframe", "noembed", "noframes", "noscript")
        for case in (
            "<NAME><a href=~></NAME>" + LINK,
            "<NAME><!-- </NAME>" + LINK + "-->",
            "<NAME x='>'/><a href=~></NAMEx><a href=~></ NAME></NAM></NAME\n>" + LINK,
            "<NAME>&lt;/NAME></NAME/><a href=@>",
            "<NAME><NAME></NAME>" + LINK,
            "<NAME></NAME x='<a href=~>'>" + LINK,
            "<NAME><a href=~>",
            "</NAME>" + LINK,
        )
    ),
    "<TiTle><a href=~></tItLE >" + LINK,
    "<titlex><a href=@></titlex>",
    "<style></title></style>" + LINK,
    "<textarea></title><a href=~></textarea>" + LINK,
    "<plaintext><a href=~></plaintext><a href=~>",
    "<script><a href=~></script>" + LINK,
    "<SCRIPT src=x/><a href=~></sCript\f>" + LINK,
    "<script>'</scriptx><a href=~>'</script>" + LINK,
    "<script><!-- <a href=~></script>" + LINK,
    "<script><!--<script><a href=~></script><a href=~></script>" + LINK,
    "<script><!--<script></script><a href=~>--></script>" + LINK,
    "<script><!--<script>--></script>" + LINK,
    "<script><!--<script>--><a href=~></script>" + LINK,
    "<script><!--><script></script>" + LINK,
    "<script><!---><script></script>" + LINK,
    "<script><!--->\n<script></script>" + LINK,
    "<script><!--<scriptx></script>" + LINK,
    "<script><!--<script/></script><a href=~></script>" + LINK,
    "<script><!--<SCRIPT\n></script ><a href=~></script>" + LINK,
    "<script><!--<script><script></script></script>" + LINK,
    "<script><!--<script></script><script></script></script>" + LINK,
    "<script><script></script>" + LINK,
    "<script><!-<script></script>" + LINK,
    "<script>--><!--</script>" + LINK,
    "<script><!--<script><!-- </script>--></script>" + LINK,
    "<script><!--<script></script",
    "<script>//<![CDATA[\n<a href=~>//]]></script>" + LINK,
    "<template><a href=@></template>",
    "<p title='<script>'>" + LINK,
    "<object><a href=@></object><select><a href=@></select>",
    "<iframe srcdoc='<a href=~>'></iframe>" + LINK,
]
FOREIGN = [
    "<svg><title><b></b><a href=@></title></svg>",
    "<svg><style><a href=@></style></svg>",
    "<svg><script><a href=@></script></svg>",
    "<svg><textarea><a href=@></textarea><xmp><a href=@></svg>",
    "<svg><a href=@></a></svg>",
    "<svg></svg><style><a href=~></style>" + LINK,
    "<svg/><style><a href=~></style>" + LINK,
    "<svg a=b/><style><a href=@></style>",
    "<svg / ><style><a href=@></style>",
    "<svg a/><style><a href=~></style>",
    "<SVG><STYLE><a href=@></STYLE></SVG><STYLE><a href=~></STYLE>",
    "<svg><![CDATA[ <a href=~> > ]]>" + LINK,
    "<svg><![CDATA[ ]] > ]>]]]>" + LINK,
    "<svg><![CDATA[ <a href=~>",
    "<math><![CDATA[<a href=~>]]></math><![CDATA[<a href=~>]]>" + LINK,
    "<svg><desc><![CDATA[<a href=~> > <a href=~>]]>" + LINK + "</desc></svg><![CDATA[>" + LINK,
    "<svg><foreignObject><style><a href=~></style></foreignObject><style><a href=@></style></svg>",
    "<svg><FOREIGNOBJECT><title><a href=~></title></FOREIGNOBJECT></svg>",
    "<svg><foreignObject/><style><a href=@></style></svg>",
    "<svg><desc><style><a href=~></style></desc></svg>",
    "<svg><title><style><a href=~></style></title><style><a href=@></style></svg>",
    "<svg><foreignObject></svg><style><a href=~></style>",
    "<svg><foreignObject><svg><style><a href=@></style></svg><style><a href=~></style></foreignObject></svg>",
    "<svg><p><style><a href=~></style>",
    "<svg><div></svg><style><a href=~></style>",
    "<svg><font><style><a href=@></style></svg>",
    "<svg><font color=red><style><a href=~></style></svg>",
    "<svg><font FACE><style><a href=~></style></svg>",
    "<svg></p><style><a href=~></style>",
    "<svg></br><style><a href=~></style>",
    "<div><svg></div><style><a href=~></style>",
    "<a href=@><svg></a><script><a href=~></script>",
    "<a href=@><svg><a href=@></a><a/></a><style><a href=~></style>",
    "<svg><a href=@></a><style><a href=@></style></svg>",
    "<svg></g></title><style><a href=@></style></svg>",
    "<svg><math><p><style><a href=~></style>",
    "<svg><g></svg><style><a href=~></style>",
    "<math><mi><style><a href=~></style></mi><style><a href=@></style></math>",
    "<math><mtext><title><a href=~></title></mtext></math>",
    "<math><mo/><style><a href=@></style></math>",
    "<math><annotation-xml><style><a href=@></style></annotation-xml></math>",
    "<math><annotation-xml encoding='text/HTML'><style><a href=~></style></annotation-xml></math>",
    "<math><annotation-xml encoding=application/xhtml+xml><style><a href=~></style></math>",
    "<math><annotation-xml encoding=x><![CDATA[><a href=~>]]></annotation-xml></math>",
    "<math><svg><desc><style><a href=@></style></desc></svg></math>",
    "<svg><math><mi><style><a href=@></style></mi></math></svg>",
    "<svg><a></svg><a href=@><svg></a><style><a href=~></style>",
    "<math><annotation-xml><svg><style><a href=@></style></svg></annotation-xml></math>",
    "<math><foreignObject><style><a href=@></style></math>",
    "<svg><mi><style><a href=@></style></svg>",
    "<svg><base href='//b.example/'></svg><a href=q>",
    "<svg><plaintext><a href=@></svg><a href=@>",
    "<svgx><style><a href=~></style></svgx>",
    "<p title='<svg>'><style><a href=~></style>",
]
ENDINGS = [
    "",
    "x",
    LINK + "<",
    LINK + "</",
    LINK + "<a",
    LINK + "</a",
    LINK + "<a href=~",
    LINK + "<a href='~",
    LINK + "<a href='~'",
    LINK + "<a href='~' ",
    LINK + "<a href=~ /",
    LINK + "<a title='>' href='~'",
    LINK + "<!",
    LINK + "<!-",
    LINK + "<!--",
    LINK + "<!--x-",
    LINK + "<!--x--",
    LINK + "<!--x--!",
    LINK + "<!doctype",
    LINK + "<?",
    LINK + "<![CDATA[",
    LINK + "<title",
    LINK + "<title>x</titl",
    LINK + "<script>x</script",
    LINK + "<script>x<!-",
    LINK + "<svg><![CDATA[x]",
    "\ufeff" + LINK,
    "\0" + LINK + "\0\1\x7f",
    "é<a href=@ title='é'>日本",
]
BASES = [
    "<a href=q><base href='//b.example/'>",
    "<base href='https://c.example/'><a href=q><a href=@>",
    "<base target=x><base href='https://c.example/'><base href='//b.example/'><a href=q>",
    "<!-- <base href='//b.example/'> --><a href=q>",
    "<base href='javascript:1'><base href='//b.example/'><a href=q>",
    "<base href='//b.example/'",
    "<basefont href='//b.example/'><a href=q>",
]


def with_links(case: str, *, decorated: bool) -> bytes:
    return case.replace("~", URL).replace("@", f"{URL}?{TEXT.decode()}" if decorated else URL).encode()


@pytest.mark.parametrize("case", [*TAGS, *MARKUP, *RAW_TEXT, *FOREIGN, *ENDINGS, *BASES])
def test_what_a_browser_takes_for_a_link_is_one_however_it_comes(case: str) -> None:
    page, expected = with_links(case, decorated=False), with_links(case, decorated=True)

    for chunks in every_way(page):
        assert TEXT.join(pieces(chunks)) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<base href='//b.example/'><a href=q>", "<base href='//b.example/'><a href=q?kmi=v>"),
        ("<BASE HREF=//b.example/d/><a href='?x'>", "<BASE HREF=//b.example/d/><a href='?x&amp;kmi=v'>"),
        ("<base href='//b&period;example/'><a href=q>", "<base href='//b&period;example/'><a href=q?kmi=v>"),
        ("<base><base href='//b.example/'><a href=q>", "<base><base href='//b.example/'><a href=q?kmi=v>"),
        ("<base href=//b.example/><a href=''>", "<base href=//b.example/><a href='?kmi=v'>"),
        ("<base href=//b.example/><a href>", "<base href=//b.example/><a href>"),
        ("<base href=//b.example/><a href=>", "<base href=//b.example/><a href=>"),
        ("<base href=//b.example/><a href= ><i>", "<base href=//b.example/><a href= ><i>"),
        ("<base href=//b.example/><a href\n=\n>", "<base href=//b.example/><a href\n=\n>"),
        ("<base href=//b.example/><a href/>", "<base href=//b.example/><a href/>"),
    ],
)
def test_a_base_leads_the_relative_links_behind_it(page: str, expected: str) -> None:
    for chunks in every_way(page.encode()):
        assert TEXT.join(pieces(chunks)) == expected.encode()


@pytest.mark.parametrize(
    ("value", "lead"),
    [
        ("https://b.example", "/?"),
        ("https://b.example/p?x", "&amp;"),
        ("https://b.example/p?", ""),
        ("https://b.example/p?x&amp;", ""),
    ],
)
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_the_lead_stands_in_the_piece_before_the_slot(value: str, lead: str, quote: str) -> None:
    page = f"<p><a id=1 href={quote}{value}{quote}>x</a>".encode()
    first, second = f"<p><a id=1 href={quote}{value}{lead}".encode(), f"{quote}>x</a>".encode()

    for chunks in every_way(page):
        assert pieces(chunks) == [first, second]


def test_links_are_counted_and_those_left_alone_by_reason() -> None:
    counted = scan()
    pieces(
        [
            b"<a href=//b.example/1><area href=//b.example/2><a href=//c.example/><a href=mailto:x>",
            b"<a href=//b.example/?kmi=1><a name=x><a data-kmproxy=off href=//b.example/><a href='//['>",
        ],
        counted,
    )

    assert counted.decorated == 2
    assert dict(counted.skipped) == {
        "other-site": 1,
        "not-http": 1,
        "already-tagged": 1,
        "opted-out": 1,
        "unreadable-url": 1,
    }


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (("a",), b"<a href=//b.example/?kmi=v><area href=//b.example/>"),
        (("area",), b"<a href=//b.example/><area href=//b.example/?kmi=v>"),
        (("form",), b"<a href=//b.example/><area href=//b.example/>"),
        ((), b"<a href=//b.example/><area href=//b.example/>"),
    ],
)
def test_only_the_elements_asked_for_are_links(elements: tuple[str, ...], expected: bytes) -> None:
    page = b"<a href=//b.example/><area href=//b.example/>"

    for chunks in every_way(page):
        assert TEXT.join(pieces(chunks, scan(elements))) == expected


def test_text_leaves_before_the_page_is_whole() -> None:
    streaming = scan()

    def fed(data: bytes) -> tuple[bytes, ...]:
        (chunk,) = [*streaming.feed(data), *streaming.flush()]
        return chunk.pieces

    assert fed(b"<p>one</p> two <a href=//b.example/") == (b"<p>one</p> two ",)
    assert fed(b">three <!-- four") == (b"<a href=//b.example/?", b">three <!-- f")
    assert fed(b" five --> six") == (b"our five --> six",)
    assert pieces([], streaming) == [b""]


def test_a_page_without_a_byte_has_one_empty_piece() -> None:
    assert pieces([]) == [b""]
    assert pieces([b"", b""]) == [b""]


def test_a_tag_that_is_too_long_lets_the_rest_of_the_page_by_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 10_000)
    start = b"<a href=//b.example/1><a title='"
    page = start + b"x" * 30_000 + b"' href=//b.example/2><a href=//b.example/3>"
    given_up = scan()

    found = pieces(cut(page, range(0, len(page), 1000)), given_up)

    assert b"".join(found) == page.replace(b"/1>", b"/1?>")
    assert given_up.skipped == {"tag-too-long": 1}
    assert given_up.decorated == 1


def test_what_is_held_back_is_bounded() -> None:
    held = scan()
    out = 0
    for fed in range(1, 3001):
        chunks = held.feed(b" x=y" * 256 if fed > 1 else b"<a " + b" x=y" * 255)
        out += sum(len(piece) for chunk in chunks for piece in chunk.pieces)
        assert fed * 1024 - out <= module.MAX_HELD * 5 // 4 + 2048
    assert held.skipped == {"tag-too-long": 1}


@pytest.mark.parametrize("size", [3_000, 50_000, 400_000])
def test_a_long_tag_is_still_a_tag(size: int) -> None:
    page = b"<a title='" + b">" * size + b"' href=//b.example/>x"

    assert TEXT.join(pieces(cut(page, range(0, len(page), 700)))).endswith(b"' href=//b.example/?kmi=v>x")


HARD = [
    ("<", ""),
    ("<a ", ""),
    ("<a href=", ""),
    ("<a x='", ""),
    ('<p x="', ""),
    ("<!--", ""),
    ("<!-- -", ""),
    ("<!", ""),
    ("</", ""),
    ("</a", ""),
    ("</title", "<title>"),
    ("<script><!--", ""),
    ("<script", "<script><!--"),
    ("</script", "<script>"),
    ("<!--<script>", "<script>"),
    ("<svg>", ""),
    ("<svg><desc>", ""),
    ("<svg></desc>", ""),
    ("</p>", "<svg>" * 50),
    ("<![CDATA[", "<svg>"),
    ("]]", "<svg><![CDATA["),
    ("&amp", "<a href='//b.example/"),
    ("&#", "<a href='//b.example/"),
    ("?", "<a href='//b.example/"),
    (" /", "<a"),
    ("= ", "<a x"),
    ("\0", ""),
]


def test_foreign_content_nested_beyond_all_reason_is_followed_no_further() -> None:
    page = b"<svg><desc>" * 1000 + b"</desc></svg>" * 1000 + b"<style><a href=//b.example/></style>"

    assert pieces([page]) == [page]


@pytest.mark.no_cover
@pytest.mark.parametrize(("unit", "start"), HARD)
def test_the_work_grows_with_the_page_and_no_faster(unit: str, start: str) -> None:
    assert is_linear(_unlimited(), start, unit)


@pytest.mark.no_cover
@pytest.mark.parametrize("step", [1 << 30, 1024])
@pytest.mark.parametrize(("unit", "start"), HARD)
def test_what_is_held_back_is_not_walked_again_and_again(unit: str, start: str, step: int) -> None:
    page = (start + unit * (60_000 // len(unit))).encode()

    assert walked(_unlimited(), cut(page, range(0, len(page), step))) < 7 * len(page)


def _unlimited() -> CountingScanner:
    return CountingScanner(Elements(ELEMENTS), lambda raw, base: Slot(0, b""), resolve_base)
