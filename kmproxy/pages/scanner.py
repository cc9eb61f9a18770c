"""The scanner: HTML in, in any chunks; pieces out, with a slot between each two.

It walks the page as the WHATWG tokenizer does and knows nothing of any visitor. Whatever
it won't judge stays a piece: the bytes leave as they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from re import Pattern

from kmproxy.links.decorate import Skip, Slot
from kmproxy.pages import syntax
from kmproxy.pages.foreign import NAMES as FOREIGN_NAMES
from kmproxy.pages.foreign import ROOTS, ForeignContent

FindSlot = Callable[[bytes, str], Slot | Skip]
"""Where the parameters go in an attribute's raw value, given the base URL."""

ResolveBase = Callable[[bytes, str], str]
"""The base URL that a ``<base href>``'s raw value makes of the document's."""

MAX_HELD = 1 << 20
"""Bytes of one unfinished tag that are held back; beyond, the rest of the page is left alone."""

_RESCAN_ABOVE = 4096

_LINKS = frozenset({b"a", b"area"})
_IN_HTML = syntax.RAW_TEXT | ROOTS | {b"base", b"script", b"plaintext"}
_Mode = Callable[[int], int]


class Scanner:
    """One page. ``elements`` are the names whose ``href`` is looked at."""

    def __init__(
        self, elements: frozenset[bytes], base: str, find_slot: FindSlot, resolve_base: ResolveBase
    ) -> None:
        self._elements = elements & _LINKS
        self._base = base
        self._base_is_set = False
        self._find_slot = find_slot
        self._resolve_base = resolve_base
        self._foreign = ForeignContent()
        self._skip_html = _skipper(self._elements | _IN_HTML)
        self._skip_inside = _skipper(self._elements | _IN_HTML | FOREIGN_NAMES)
        self._skip_foreign = _skipper(self._elements | FOREIGN_NAMES)
        self._parts: list[bytes] = []
        self._held = 0
        self._wanted = 0
        self._buffer = b""
        self._emitted = 0
        self._pieces: list[bytes] = []
        self._mode: _Mode = self._data
        self._moved = False
        self._final = False
        self.decorated = 0
        self.skipped: Counter[str] = Counter()
        """Links left alone, by reason, and ``tag-too-long`` once where the page was given up."""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces that are decided by now: ``n`` slots stand between ``n + 1`` pieces."""
        self._parts.append(data)
        self._held += len(data)
        return self._scan() if self._held >= self._wanted else [b""]

    def finish(self) -> list[bytes]:
        """The rest of the page; a tag that never ended is no tag."""
        self._final = True
        pieces = self._scan()
        pieces[-1] += self._buffer
        return pieces

    def _scan(self) -> list[bytes]:
        self._buffer = b"".join(self._parts)
        self._emitted = 0
        self._pieces = []
        position = 0
        self._moved = True
        while self._moved:
            self._moved = False
            position = self._mode(position)
        self._pieces.append(self._buffer[self._emitted : position])
        self._hold(position)
        return self._pieces

    def _hold(self, position: int) -> None:
        self._buffer = self._buffer[position:]
        self._held = len(self._buffer)
        if self._held > MAX_HELD:
            self.skipped["tag-too-long"] += 1
            self._pieces[-1] += self._buffer
            self._buffer, self._held, self._mode = b"", 0, self._pass
        self._parts = [self._buffer]
        # A long tag is looked at again only when it has grown by a quarter: linear in the end.
        self._wanted = self._held + self._held // 4 if self._held > _RESCAN_ABOVE else 0

    def _enter(self, mode: _Mode, position: int) -> int:
        """Go on from ``position`` in ``mode``, in the same buffer."""
        self._mode = mode
        self._moved = True
        return position

    # Modes: each takes the place it begins at and gives back the place up to which all is decided.

    def _pass(self, position: int) -> int:
        return len(self._buffer)

    def _data(self, position: int) -> int:
        if self._foreign.active:
            skip = self._skip_foreign
        else:
            skip = self._skip_inside if self._foreign.entered else self._skip_html
        found = skip.match(self._buffer, position)
        position = found.end() if found else position
        if position == len(self._buffer):
            return position
        match = syntax.TAG.match(self._buffer, position)
        if match is None:
            return self._markup_declaration(position)
        if match[1]:
            self._foreign.end(match[2].lower())
        else:
            self._start_tag(match[2].lower(), match[3], match.start(3), match[4].endswith(b"/"))
        return self._enter(self._mode, match.end())

    def _markup_declaration(self, position: int) -> int:
        """Comments, doctypes, CDATA and bogus comments; or something that is not whole yet."""
        head = self._buffer[position : position + 9]
        if len(head) < 9 and not self._final and self._is_undecided(head):
            return position
        if head.startswith(b"<!--"):
            if head[4:5] == b">" or head[4:6] == b"->":
                return self._enter(self._data, self._buffer.index(b">", position) + 1)
            return self._enter(self._until(syntax.COMMENT_END, 3), position + 4)
        # Also right inside an integration point, itself foreign; whether HTML is open there isn't known.
        if head == b"<![CDATA[" and self._foreign.entered:
            return self._enter(self._until(syntax.CDATA_END, 2), position + 9)
        if head[1:2] in (b"!", b"?") or (head[1:2] == b"/" and not head[2:3].isalpha()):
            return self._enter(self._until(syntax.BOGUS_END, 0), position + 2)
        return position

    def _is_undecided(self, head: bytes) -> bool:
        if head.startswith(b"<!--"):
            return len(head) < 6 and b">" not in head
        return len(head) < 3 or b"<!--".startswith(head) or b"<![CDATA[".startswith(head)

    def _until(self, end: Pattern[bytes], overlap: int) -> _Mode:
        """A mode that lets everything by up to ``end``, of which ``overlap`` bytes may be here already."""

        def mode(position: int) -> int:
            found = end.search(self._buffer, position)
            if found is None:
                return max(position, len(self._buffer) - overlap)
            return self._enter(self._data, found.end())

        return mode

    def _raw_text(self, name: bytes) -> _Mode:
        end = syntax.raw_text_end(name)

        def mode(position: int) -> int:
            found = end.search(self._buffer, position)
            if found is None:
                return max(position, len(self._buffer) - len(name) - 2)
            return self._enter(self._data, found.start())

        return mode

    def _script(self) -> _Mode:
        """Script data and its escaped states (§13.2.5.4, 13.2.5.15 to 31): ``<!--`` hides end tags."""
        state = "plain"

        def mode(position: int) -> int:
            nonlocal state
            while found := syntax.SCRIPT_MARK.search(self._buffer, position):
                mark = found[0].lower()
                if mark == b"</script" and state != "double":
                    return self._enter(self._data, found.start())
                state = _SCRIPT_STATES.get((state, mark), state)
                position = found.end() - 2 if mark == b"<!--" else found.end()
            return max(position, len(self._buffer) - len(b"</script"))

        return mode

    # Tags

    def _start_tag(self, name: bytes, raw: bytes, offset: int, self_closing: bool) -> None:
        if name in self._elements:
            self._link(syntax.attributes(raw, offset))
        if self._foreign.active or name in ROOTS:
            self._foreign.start(name, syntax.attributes(raw, 0), self_closing=self_closing)
        elif name == b"base":
            self._set_base(syntax.attributes(raw, offset))
        elif name == b"script":
            self._mode = self._script()
        elif name == b"plaintext":
            self._mode = self._pass
        elif name in syntax.RAW_TEXT:
            self._mode = self._raw_text(name)

    def _set_base(self, attributes: syntax.Attributes) -> None:
        if b"href" in attributes and not self._base_is_set:
            self._base = self._resolve_base(attributes[b"href"][0], self._base)
            self._base_is_set = True

    def _link(self, attributes: syntax.Attributes) -> None:
        if b"href" not in attributes:
            return
        if attributes.get(b"data-kmproxy", (b"", 0))[0].lower() == b"off":
            self.skipped["opted-out"] += 1
            return
        raw, offset = attributes[b"href"]
        slot = Skip.UNSURE if offset == syntax.NOWHERE else self._find_slot(raw, self._base)
        if isinstance(slot, Skip):
            self.skipped[slot.value] += 1
            return
        place = offset + slot.offset
        self._pieces.append(self._buffer[self._emitted : place] + slot.lead)
        self._emitted = place
        self.decorated += 1


_SCRIPT_STATES = {
    ("plain", b"<!--"): "escaped",
    ("escaped", b"-->"): "plain",
    ("escaped", b"<script"): "double",
    ("double", b"-->"): "plain",
    ("double", b"</script"): "escaped",
}

_skippers: dict[frozenset[bytes], Pattern[bytes]] = {}


def _skipper(names: frozenset[bytes]) -> Pattern[bytes]:
    if names not in _skippers:
        _skippers[names] = syntax.skipper(names)
    return _skippers[names]
