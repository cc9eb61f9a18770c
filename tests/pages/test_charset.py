"""In which encodings a page's bytes can be spliced."""

from __future__ import annotations

import codecs

import pytest

from kmproxy.pages.charset import HALF_MARKS, begins_in_utf16, declared, is_spliceable


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        (b"text/html", b""),
        (b"text/html; charset=utf-8", b"utf-8"),
        (b"text/html;charset=UTF-8", b"utf-8"),
        (b'text/html; charset="Windows-1252"', b"windows-1252"),
        (b"text/html; charset='koi8-r'", b"koi8-r"),
        (b"text/html; Charset = Big5 ; x=y", b"big5"),
        (b"text/html; x=y;charset=gbk;charset=utf-16", b"gbk"),
        (b"text/html; charset=", b""),
        (b"text/html; charset", b""),
        (b"", b""),
    ],
)
def test_the_charset_is_read_from_the_content_type(content_type: bytes, charset: bytes) -> None:
    assert declared(content_type) == charset


@pytest.mark.parametrize(
    "charset",
    [
        *(b"", b"utf-8", b"utf8", b"unicode-1-1-utf-8", b"x-unicode20utf8", b"unicode11utf8", b"us-ascii"),
        *(b"iso-8859-1", b"latin1", b"windows-1252", b"koi8-r", b"macintosh", b"x-user-defined"),
        *(
            b"shift_jis",
            b"euc-jp",
            b"gbk",
            b"gb2312",
            b"gb18030",
            b"big5",
            b"euc-kr",
            b"iso-8859-8-i",
            b"utf-18",
        ),
    ],
)
def test_where_ascii_stays_ascii_pages_can_be_spliced(charset: bytes) -> None:
    assert is_spliceable(charset)


@pytest.mark.parametrize(
    "charset",
    [
        *(
            b"utf-16",
            b"utf-16le",
            b"utf-16be",
            b"utf16",
            b"unicode",
            b"csunicode",
            b"unicodefeff",
            b"unicodefffe",
        ),
        *(b"ucs-2", b"iso-10646-ucs-2", b"utf-32", b"utf-32be", b"utf-7", b"utf-1"),
        *(b"iso-2022-jp", b"csiso2022jp", b"iso-2022-kr", b"csiso2022kr", b"iso-2022-cn-ext", b"hz-gb-2312"),
        b"replacement",
    ],
)
def test_where_ascii_bytes_may_be_something_else_pages_are_left_alone(charset: bytes) -> None:
    assert not is_spliceable(charset)


def test_a_byte_order_mark_tells_utf_16_and_32_apart_from_all_else() -> None:
    for mark in (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_LE):
        assert begins_in_utf16(mark + b"<")
        assert mark[:1] in HALF_MARKS
    for start in (b"", b"<", b"\xfe", b"\xff", b"\xff<", codecs.BOM_UTF8):
        assert not begins_in_utf16(start)
