"""Character references in attribute values (WHATWG HTML §13.2.5.72 to 80), with their places."""

from __future__ import annotations

import re
from html.entities import html5

_REFERENCE = re.compile(r"&(?:#(?:[xX][0-9A-Fa-f]+|[0-9]+);?|[A-Za-z][A-Za-z0-9]*;?)")
_LONGEST_BARE = max(len(name) for name in html5 if not name.endswith(";"))

_MOST_DIGITS = 7
_WINDOWS_1252 = "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0))


def decode(raw: str) -> tuple[str, list[int]]:
    """The value a browser sees, and for each of its characters (and the end) its index in ``raw``."""
    text: list[str] = []
    places: list[int] = []
    position = 0
    for match in _REFERENCE.finditer(raw):
        found = _resolve(match[0], raw[match.end() : match.end() + 1])
        if found is None:
            continue
        value, length = found
        places.extend(range(position, match.start()))
        places.extend([match.start()] * len(value))
        text += raw[position : match.start()], value
        position = match.start() + length
    places.extend(range(position, len(raw) + 1))
    text.append(raw[position:])
    return "".join(text), places


def _resolve(reference: str, following: str) -> tuple[str, int] | None:
    """What a reference stands for and how much of it is one; None if it is just text."""
    if reference[1] == "#":
        return _character(reference[2:].removesuffix(";")), len(reference)
    if reference.endswith(";") and reference[1:] in html5:
        return html5[reference[1:]], len(reference)
    # "For historical reasons", &copy in an attribute is text where a letter, digit or = follows.
    name = reference[1:].removesuffix(";")
    for length in range(min(len(name), _LONGEST_BARE), 1, -1):
        if name[:length] in html5:
            after = reference[length + 1 : length + 2] or following
            is_text = after == "=" or (after.isascii() and after.isalnum())
            return None if is_text else (html5[name[:length]], length + 1)
    return None


def _character(number: str) -> str:
    """What a numeric reference stands for (§13.2.5.80), given its digits, after an ``x`` if hexadecimal.

    Not ``html.unescape``: it drops control characters, and fails on thousands of digits.
    """
    digits = number.lstrip("xX0") or "0"
    code = int(digits, 16 if number[0] in "xX" else 10) if len(digits) <= _MOST_DIGITS else 0
    if code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return "\ufffd"
    return _WINDOWS_1252[code - 0x80] if 0x80 <= code <= 0x9F else chr(code)
