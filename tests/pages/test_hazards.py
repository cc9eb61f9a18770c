"""Odd ends and odd beginnings, some hundreds of them: which links a browser's parser sees, the scanner sees.

In the rows ``@`` begins a link with a number of its own; a row says nothing of which are seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product

import pytest
from pages_kit import every_way, pieces, scan
from test_oracle import parsed

from kmproxy.links.decorate import Skip
from kmproxy.links.entities import decode

NAMES = ["title", "textarea", "style", "xmp", "iframe", "noembed", "noframes", "noscript", "script"]
RAW_TEXT = [
    "<N>@</N>@",
    "<N>@</n >@",
    "<N>@</N\n\t\f\r >@",
    "<N>@</N/>@",
    "<N>@</N/@>@",
    "<N>@</N x='>'>@</N>@",
    "<N>@</N x=>@",
    "<N>@</N <@>@",
    "<N>@</N",
    "<N>@</N ",
    "<N>@</N/",
    "<N>@</N x",
    "<N>@</N x='>@",
    "<N>@</Nx>@</N>@",
    "<N>@</ N>@</N>@",
    "<N>@<\\/N>@</N>@",
    "<N>@<</N>@",
    "<N>@</</N>@",
    "<N>@<//N>@</N>@",
    "<N>@</N\0>@</N>@",
    "<N>@</\0N>@</N>@",
    "<N\0>@</N\0>@",
    "<N/>@</N>@",
    "<N x='</N>'>@</N>@",
    "<N x=/>@</N>@",
    "<N>@<!--</N>@-->@",
    "<N>@<![CDATA[</N>]]>@",
    "<N>&lt;/N>@</N>@",
    "<N>@<N>@</N>@",
    "</N>@",
    "<N>",
    "<N",
    "<N ",
    "<N x",
    "<N x='@",
    "<N>@<!-- <N> </N>@-->@",
    "<N>@</NN>@</N>@",
    "<N>@</N></N>@",
    "<N>@\n\0\x01</N>@",
]
ESCAPES = ["<!--", "-->", "--", "<script>", "</script>", "<script ", "<!-->", "<scriptx>", "-", "</script x>"]
COMMENTS = ["<!--", "<!-", "-->", "--!>", "->", ">", "--", "!", "<!-->", "<!--->", "@"]
CDATA = [
    "@",
    "<![CDATA[@]]>@",
    "<![CDATA[@",
    "<![CDATA[@]]",
    "<![CDATA[]]>@",
    "<![CDATA[]]]>@",
    "<![CDATA[]]]]>@",
    "<![CDATA[@]]>@]]>@",
    "<![CDATA[>@]]>@",
    "<![cdata[@]]>@",
    "<![CDATA @]]>@",
    "<![CDATA[<!--]]>@-->@",
    "<!--<![CDATA[-->@]]>@",
    "<![CDATA[</svg>@]]>@",
    "<![CDATA[\0@]]>@",
    "<![CDATA[]] >@]]>@",
    "<![CDATA[-->@",
]
INSIDE = [
    "<svg>N</svg>@",
    "<svg><g>N</g></svg>@",
    "<math>N</math>@",
    "<svg><desc>x</desc>N</svg>@",
    "N",
    "<p>N</p>@",
]
TAGS = [
    "<a href=N>",
    "<a href='N'>",
    '<a href="N">',
    "<a href='N'x>",
    '<a href="N"/>',
    "<a href=N/>",
    "<a href= N>",
    "<a href=N href=X>",
    "<a href='' href=N>",
    "<a href href=N>",
    "<a HREF=N href=X>",
    "<a hrEf=N HREF='X'>",
    "<a x href=N>",
    "<a x=1 x=2 href=N>",
    "<a / href=N>",
    "<a/x/href=N>",
    "<a =href=N>",
    "<a ==x href=N>",
    "<a x= href=N>",
    "<a x=' href=N>'>",
    '<a x=" href=N>">',
    "<a x='\"' href=N>",
    "<a x=\"'\" href='N'>",
    "<a x=a'b href=N>",
    '<a x=a"b href=N>',
    "<a x=<b> href=N>",
    "<a x=`>` href=N>",
    "<a 'href=N>",
    '<a "href=N>',
    "<a href='N",
    '<a href="N',
    "<a href=N",
    "<a href='N'",
    "<a href='N>@",
    '<a href="N>@',
    "<a href=N <p>",
    "<a href\0=N>",
    "<a \0href=N>",
    "<a href=\0N>",
    "<a href='N\0'>",
    "<a\0 href=N>",
    "<a\x0bhref=N>",
    "<a\x01 href=N>",
    "<a href=N\x01\x7f>",
    "<a\x0b href=N>",
    "<a \x0b href=N>",
    "<a href\x0b=N>",
    "<a\r\nhref\r\n=\r\nN\r\n>",
    "<a title='a>b' href=N>",
    "<a title=a>b href=N>",
    "<a href=N title=>x",
    "<a\thref\f=\n'N'>",
    "<a href=N\n>",
    "<a<href=N>",
    "<a\\href=N>",
    "<a.b href=N>",
    "<a:b href=N>",
    "<ä href=N>",
    "<aä href=N>",
    "<a ä href=N>",
    "<a href=N ä='>'>",
    "<a href=N&amp;q>",
    "<a href='N&#38q'>",
    "<a href=N&lt>",
    "<a href=N&gt;>",
    "<a href=N&>",
    "<a x:href=N>",
    "<a href:x=N>",
    "<a hrefx=X href=N>",
    "<a href = = N>",
    "<a href ==N>",
    "<a href\n>@",
    "<a href=>@",
]
TEMPLATES = [
    "<template>@</template>@",
    "<template><template>@</template>@</template>@",
    "<template><script>@</script>@</template>",
    "<template><style>@</template>@",
    "<template><!--@</template>@-->@",
    "<template>@",
    "</template>@",
    "<template><svg><style>@</style></svg></template>@",
    "<template><title>@</title>@</template><title>@</title>@",
    "<iframe srcdoc='@'></iframe>@",
    '<iframe srcdoc="<script>@">@</iframe>@',
    "<iframe srcdoc='</iframe>'>@</iframe>@",
    "<iframe srcdoc=@>@</iframe>@",
    "<iframe srcdoc='@",
    "<iframe srcdoc='&lt;/iframe>@' src=x></iframe>@",
    "<noscript><a title='</noscript>@'>",
    "<noscript><!-- </noscript>@ -->",
    "<p title='<!--'>@<p title='-->'>@",
    "<div title='<script>'>@</div>",
    "<textarea title='</textarea>'>@</textarea>@",
    "<xmp><!--</xmp>@-->",
    "<?php if (1 > 0) { ?>@",
    "<%= x > y %>@",
    "<!doctype html '>@'>@",
    "<!DOCTYPE html [<!ENTITY x '>'>]>@",
    "<![if IE]>@<![endif]>@",
    "<!--[if IE]>@<![endif]-->@",
    "<!--[if !IE]><!-->@<!--<![endif]-->@",
    "<svg><style>@</style><script>@</script></svg>@",
    "<svg><title>@</title>@</svg>@",
    "<svg x='>' />@<style>@</style>@",
    "<svg x=/>@<style>@</style></svg>@",
]


def rows() -> Iterator[str]:
    for text, name in product(RAW_TEXT, NAMES):
        yield text.replace("N", name).replace("n", name.upper() if "</n" in text else "n")
    for before, inside, after in product(ESCAPES, repeat=3):
        yield f"<script>{before}x{inside} {after}@</script>@-->@</script>@"
    for before, inside, after in product(COMMENTS, repeat=3):
        yield f"<!--{before}{inside}{after}@-->@"
    for around, text in product(INSIDE, CDATA):
        yield around.replace("N", text)
    for tag in TAGS:
        yield f"@{tag.replace('N', '#own').replace('X', '#other')}y</a>@"
    yield from TEMPLATES


def numbered(row: str) -> bytes:
    numbers = count()
    return "".join(f"<area href=#n{next(numbers)}>" if part == "@" else part for part in row).encode()


def seen(chunks: list[bytes]) -> set[str]:
    """The hrefs that the scanner looks at."""
    hrefs: set[str] = set()

    def find(raw: bytes, base: str) -> Skip:
        hrefs.add(decode(raw.decode().replace("\0", "\ufffd").replace("\r\n", "\n"))[0])
        return Skip.ELSEWHERE

    pieces(chunks, scan(find=find))
    return hrefs


@pytest.mark.parametrize("part", range(8))
def test_the_scanner_sees_what_lexbor_sees_in_every_row(part: int) -> None:
    wrong = []
    for row in list(rows())[part::8]:
        page = numbered(row)
        found = {item[1]["href"] for item in parsed(page) if item[0] in ("a", "area") and "href" in item[1]}
        expected = {href or "" for href in found}
        if seen([page]) - {""} != expected - {""}:
            wrong.append((row, seen([page]), expected))
    assert not wrong


@pytest.mark.parametrize("part", range(8))
def test_no_cut_changes_what_is_seen_in_any_row(part: int) -> None:
    for row in list(rows())[part::64]:
        page = numbered(row)
        whole = seen([page])
        for chunks in every_way(page):
            assert seen(chunks) == whole, row
