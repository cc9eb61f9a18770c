"""On which line of a TOML text each key stands; ``tomllib`` does not say.

The text has been read by ``tomllib`` before, so it is known to be valid: this scanner only walks over it and
refuses nothing. The grammar is https://toml.io/en/v1.0.0.
"""

from __future__ import annotations

import re
import tomllib

from kmproxy.config.places import Place

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+ | "(?:\\.|[^"\\])*" | '[^']*'""", re.VERBOSE)
_DOT = re.compile(r"[ \t]*(?:\.[ \t]*)?")
_SCALAR = re.compile(r"[^,\]}\n#]*")
# The long quotes first: "" would match the start of """. Up to two quotes may touch the closing three.
_STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?:"{0,2})'''
    r"""|\'\'\'.*?\'\'\'(?:\'{0,2})"""
    r"""|"(?:\\.|[^"\\])*"|'[^']*'""",
    re.DOTALL,
)


def lines(text: str) -> dict[Place, int]:
    """The line, counted from 1, of every table, key and list item of a valid TOML text.

    The places come in the order in which the text first names them; ``()`` is the text itself, on line 1.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[Place, int] = {(): 1}
        self._tables: dict[Place, int] = {}
        """How many ``[[tables]]`` of a name there are so far."""

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        while self._next():
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _next(self) -> str:
        """The next character that is neither blank nor comment; "" at the end."""
        self._take(_BLANK)
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _mark(self, place: Place) -> Place:
        self._found.setdefault(place, self._text.count("\n", 0, self._at) + 1)
        return place

    def _header(self) -> Place:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        self._next()
        *parents, name = self._key()
        place = self._mark((*self._parent(parents), name))
        if brackets == 2:
            self._tables[place] = self._tables.get(place, 0) + 1
            place = self._mark(self._latest(place))
        self._at += brackets
        return place

    def _parent(self, names: list[str]) -> Place:
        """``[site.links]`` belongs to the latest ``[[site]]``."""
        place: Place = ()
        for name in names:
            place = self._latest(self._mark((*place, name)))
        return place

    def _latest(self, place: Place) -> Place:
        count = self._tables.get(place)
        return (*place, count - 1) if count else place

    def _key(self) -> list[str]:
        names = []
        while part := self._take(_KEY):
            names.append(_unquoted(part))
            self._take(_DOT)
        return names

    def _pair(self, place: Place) -> None:
        start = self._at
        names = self._key()
        after, self._at = self._at, start
        for name in names:
            place = self._mark((*place, name))
        self._at = after + len("=")
        self._value(place)

    def _value(self, place: Place) -> None:
        following = self._next()
        if following == "[":
            self._array(place)
        elif following == "{":
            self._inline_table(place)
        elif not self._take(_STRING):
            self._take(_SCALAR)

    def _array(self, place: Place) -> None:
        self._at += len("[")
        index = 0
        while self._next() != "]":
            self._value(self._mark((*place, index)))
            self._comma()
            index += 1
        self._at += len("]")

    def _inline_table(self, place: Place) -> None:
        self._at += len("{")
        while self._next() != "}":
            self._pair(place)
            self._comma()
        self._at += len("}")

    def _comma(self) -> None:
        if self._next() == ",":
            self._at += 1


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    return str(tomllib.loads(f"key = {key}")["key"])
