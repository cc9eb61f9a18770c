"""Whether a page's bytes can be spliced: markup and our parameters are ASCII in its encoding."""

from __future__ import annotations

import re

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([^\s\"';]+)", re.IGNORECASE)

_META = re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)

# Encodings in which an ASCII byte may be part of something else (WHATWG Encoding §4):
# the UTF-16s, the ones that switch by escape sequences, and what the standard replaces.
_NOT_ASCII = re.compile(
    rb"utf-?(?:16|32|7)|ucs|(?:cs)?unicode(?:$|f[ef]f)|iso-?10646|(?:cs)?iso-?2022|hz-gb"
    rb"|utf-?1$|replacement$"
)
_UTF16_MARKS = (b"\xfe\xff", b"\xff\xfe")
HALF_MARKS = (b"\xfe", b"\xff")
"""A page's first byte that may become such a mark with the second."""


def declared(content_type: bytes) -> bytes:
    """The charset of a Content-Type header, in lower case, or ``b""``."""
    found = _CHARSET.search(content_type)
    return found[1].lower() if found else b""


PRESCAN = 1024
"""Bytes of a page in which a ``<meta>`` may declare its encoding (HTML §13.2.3.2)."""


def declared_in_meta(start: bytes) -> bytes:
    """The charset that the ``start`` of a page declares itself, in lower case, or ``b""``.

    A page that says UTF-16 there is read as UTF-8, for it was read this far.
    """
    found = _META.search(start[:PRESCAN])
    charset = found[1].lower() if found else b""
    return b"" if charset.startswith((b"utf-16", b"utf16")) else charset


def is_spliceable(charset: bytes) -> bool:
    """Whether ``charset`` (in lower case; ``b""`` if undeclared) keeps ASCII bytes ASCII."""
    return not _NOT_ASCII.match(charset)


def begins_in_utf16(data: bytes) -> bool:
    """Whether a byte order mark says UTF-16 (or 32), whatever was declared."""
    return data.startswith(_UTF16_MARKS)
