"""The scanner: HTML in, in any chunks; pieces out, with a slot between each two.

It walks the page as the WHATWG tokenizer does and knows nothing of any visitor. Whatever
it won't judge stays a piece: the bytes leave as they came. A walk over some bytes depends
on them and on the state before them alone, so that it can be remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from re import Match, Pattern
from typing import NamedTuple

from kmproxy.links.decorate import Skip, Slot
from kmproxy.pages import syntax
from kmproxy.pages.elements import QUERY, Elements, Found
from kmproxy.pages.foreign import NAMES as FOREIGN_NAMES
from kmproxy.pages.foreign import ROOTS, ForeignContent
from kmproxy.pages.names import Names

FindSlot = Callable[[bytes, str], Slot | Skip]
"""Where the parameters go in an attribute's raw value, given the base URL."""

ResolveBase = Callable[[bytes, str], str]
"""The base URL that a ``<base href>``'s raw value makes of the document's."""

MAX_HELD = 1 << 20
"""Bytes of one unfinished tag that are held back; beyond, the rest of the page is left alone."""

LATE_BASE = "late-base"
"""Why links may have been left alone, or not: a ``<base>`` behind them leads to another host."""

_IN_HTML = syntax.RAW_TEXT | ROOTS | {b"base", b"script", b"plaintext"}


class State(NamedTuple):
    """Where the tokenizer is between two chunks."""

    mode: str = "data"
    detail: bytes = b""
    """The element whose end a raw text waits for, or how a script is escaped."""

    foreign: tuple[tuple[tuple[bytes, bytes], ...], int] = ((), 0)
    base: str = ""
    base_is_set: bool = False
    rebased: bool = False
    """The base URL is not on the document's own host."""

    form_posts: bool = False
    has_links: bool = False
    """There may have been a link already."""

    held: bytes = b""
    """The beginning of something that is not whole yet."""


_BEGINNING = State()


@dataclass(slots=True)
class Walked:
    """What came of some bytes: ``n`` slots stand between ``n + 1`` pieces."""

    pieces: list[bytes] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    """For each slot, which text goes there: one of ``elements``' kinds."""

    after: State = _BEGINNING
    skipped: dict[str, int] = field(default_factory=dict)
    """Links left alone, by reason; ``tag-too-long`` once where the page was given up, and ``LATE_BASE``."""

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


class Scanner:
    """The rules of one site's pages: made once, asked for every page."""

    def __init__(
        self,
        elements: Elements,
        find_slot: FindSlot,
        resolve_base: ResolveBase,
        hosts: tuple[bytes, ...] | None = None,
        host_names: tuple[bytes, ...] | None = None,
    ) -> None:
        """``hosts``: patterns of all hosts that ``find_slot`` may find a slot for.

        With them, links that plainly lead elsewhere are passed by without being looked at or
        counted, which is most of the work on most pages. ``host_names`` are they in lower
        case, less the part before a wildcard's dot: a page that holds none of them has no link.
        """
        self._host_names = None if host_names is None else Names(host_names)
        self.elements = elements
        self.find_slot = find_slot
        self.resolve_base = resolve_base
        names = elements.names
        ends = names & {b"form"}
        self.link = syntax.start_of(names)
        self.skip_html = syntax.skipper(names | _IN_HTML, ends, syntax.HARMLESS)
        self.skip_most = self.skip_html
        if hosts is not None:
            links = syntax.harmless_links(hosts)
            self.skip_most = syntax.skipper(names | _IN_HTML, ends, links + b"|" + syntax.HARMLESS)
        self.skip_inside = syntax.skipper(names | _IN_HTML | FOREIGN_NAMES, ends | FOREIGN_NAMES)
        self.skip_foreign = syntax.skipper(names | FOREIGN_NAMES, ends | FOREIGN_NAMES)

    def leads_nowhere(self, page: bytes) -> bool:
        """Whether a whole page holds the name of no host that a slot may be found for.

        A host written in escapes only is not looked for: that is how one hides a link.
        """
        return self._host_names is not None and self._host_names.are_absent(page)

    def walk(self, state: State, data: bytes, *, final: bool = False) -> Walked:
        """The pieces that are decided by ``data`` coming after ``state``; all, if it is ``final``."""
        return _Walk(self, state, data, final).run()


class _Walk:
    """One walk over one buffer."""

    def __init__(self, rules: Scanner, state: State, data: bytes, final: bool) -> None:
        self._rules = rules
        self._state = state
        self._mode, self._detail = state.mode, state.detail
        self._foreign = ForeignContent(state.foreign)
        self._base, self._base_is_set, self._rebased = state.base, state.base_is_set, state.rebased
        self._form_posts, self._has_links = state.form_posts, state.has_links
        self._buffer = state.held + data if state.held else data
        self._final = final
        self._emitted = 0
        self._walked = Walked()

    def run(self) -> Walked:
        position, moved = 0, True
        while moved:
            position, moved = _MODES[self._mode](self, position)
        held = b"" if self._final else self._buffer[position:]
        if len(held) > MAX_HELD:
            self._walked.skip("tag-too-long")
            self._mode, held = "pass", b""
        end = len(self._buffer) - len(held)
        self._note_links(end)
        self._walked.pieces.append(self._buffer[self._emitted : end])
        self._walked.after = State(
            self._mode,
            self._detail,
            self._foreign.state,
            self._base,
            self._base_is_set,
            self._rebased,
            self._form_posts,
            self._has_links,
            held,
        )
        return self._walked

    def _note_links(self, end: int) -> None:
        seen = self._has_links or bool(self._walked.kinds)
        self._has_links = seen or self._rules.link.search(self._buffer, 0, end) is not None

    # Modes: each takes the place it begins at and gives back the place up to which all is
    # decided, and whether the next mode has its turn.

    def _pass(self, position: int) -> tuple[int, bool]:
        return len(self._buffer), False

    def _data(self, position: int) -> tuple[int, bool]:
        skip = self._skipper().match
        found = skip(self._buffer, position)
        if self._rules.elements.plain_links and not self._foreign.entered:
            while found and (link := syntax.PLAIN_LINK.match(self._buffer, found.end())):
                self._plain_link(link)
                found = skip(self._buffer, link.end())
        position = found.end() if found else position
        if position == len(self._buffer):
            return position, False
        match = syntax.TAG.match(self._buffer, position)
        if match is None:
            return self._markup_declaration(position)
        name = match[2].lower()
        if match[1]:
            self._end_tag(name)
        else:
            self._start_tag(name, match[3], match.start(3), match.end(), match[4].endswith(b"/"))
        return match.end(), True

    def _skipper(self) -> Pattern[bytes]:
        if self._foreign.entered:
            return self._rules.skip_foreign if self._foreign.active else self._rules.skip_inside
        return self._rules.skip_html if self._rebased else self._rules.skip_most

    def _markup_declaration(self, position: int) -> tuple[int, bool]:
        """Comments, doctypes, CDATA and bogus comments; or something that is not whole yet."""
        head = self._buffer[position : position + 9]
        if len(head) < 9 and not self._final and _is_undecided(head):
            return position, False
        if head.startswith(b"<!--"):
            if head[4:5] == b">" or head[4:6] == b"->":
                return self._buffer.index(b">", position) + 1, True
            self._mode = "comment"
            return position + 4, True
        # Also right inside an integration point, itself foreign; whether HTML is open there isn't known.
        if head == b"<![CDATA[" and self._foreign.entered:
            self._mode = "cdata"
            return position + 9, True
        if head[1:2] in (b"!", b"?") or (head[1:2] == b"/" and not head[2:3].isalpha()):
            self._mode = "bogus"
            return position + 2, True
        return position, False

    def _until(self, end: Pattern[bytes], overlap: int, position: int) -> tuple[int, bool]:
        """Let everything by up to ``end``, of which ``overlap`` bytes may be here already."""
        found = end.search(self._buffer, position)
        if found is None:
            return max(position, len(self._buffer) - overlap), False
        self._mode = "data"
        return found.end(), True

    def _comment(self, position: int) -> tuple[int, bool]:
        return self._until(syntax.COMMENT_END, 3, position)

    def _cdata(self, position: int) -> tuple[int, bool]:
        return self._until(syntax.CDATA_END, 2, position)

    def _bogus(self, position: int) -> tuple[int, bool]:
        return self._until(syntax.BOGUS_END, 0, position)

    def _raw(self, position: int) -> tuple[int, bool]:
        found = syntax.raw_text_end(self._detail).search(self._buffer, position)
        if found is None:
            return max(position, len(self._buffer) - len(self._detail) - 2), False
        self._mode, self._detail = "data", b""
        return found.start(), True

    def _script(self, position: int) -> tuple[int, bool]:
        """Script data and its escaped states (§13.2.5.4, 13.2.5.15 to 31): ``<!--`` hides end tags."""
        while found := syntax.SCRIPT_MARKS[self._detail].search(self._buffer, position):
            mark = found[0].lower()
            if mark == b"</script" and self._detail != b"double":
                self._mode, self._detail = "data", b""
                return found.start(), True
            self._detail = _SCRIPT_STATES.get((self._detail, mark), self._detail)
            position = found.end() - 2 if mark == b"<!--" else found.end()
        return max(position, len(self._buffer) - len(b"</script")), False

    # Tags

    def _end_tag(self, name: bytes) -> None:
        self._foreign.end(name)
        if name == b"form":
            self._form_posts = False

    def _start_tag(self, name: bytes, raw: bytes, offset: int, end: int, self_closing: bool) -> None:
        if name in self._rules.elements.names:
            self._links(name, syntax.attributes(raw, offset), end)
        if self._foreign.active or name in ROOTS:
            self._foreign.start(name, syntax.attributes(raw, 0), self_closing=self_closing)
        elif name == b"base":
            self._set_base(syntax.attributes(raw, offset), offset)
        elif name == b"script":
            self._mode, self._detail = "script", b"plain"
        elif name == b"plaintext":
            self._mode = "pass"
        elif name in syntax.RAW_TEXT:
            self._mode, self._detail = "raw", name

    def _set_base(self, attributes: syntax.Attributes, place: int) -> None:
        if b"href" in attributes and not self._base_is_set:
            document, self._base_is_set = self._base, True
            self._base = self._rules.resolve_base(attributes[b"href"][0], document)
            self._rebased = not self._base.startswith(document)
            self._note_links(place)
            if self._rebased and self._has_links:
                self._walked.skip(LATE_BASE)

    def _links(self, name: bytes, attributes: syntax.Attributes, end: int) -> None:
        found = self._rules.elements.look(name, attributes, end, form_posts=self._form_posts)
        if name == b"form":
            self._form_posts = self._rules.elements.posts(attributes)
        for link in (found,) if isinstance(found, Skip) else found:
            if isinstance(link, Skip):
                self._walked.skip(link.value)
            else:
                self._decorate(link)

    def _plain_link(self, link: Match[bytes]) -> None:
        group = link.lastindex or 1
        slot = self._rules.find_slot(link[group], self._base)
        if isinstance(slot, Skip):
            self._walked.skip(slot.value)
        else:
            self._put_slot(link.start(group) + slot.offset, slot.lead, QUERY)

    def _decorate(self, link: Found) -> None:
        slot = self._rules.find_slot(link.raw, self._base)
        if isinstance(slot, Skip):
            self._walked.skip(slot.value)
        elif link.after is None:
            self._put_slot(link.offset + slot.offset, slot.lead, link.kind)
        else:
            self._put_slot(link.after, b"", link.kind)

    def _put_slot(self, place: int, lead: bytes, kind: int) -> None:
        self._walked.pieces.append(self._buffer[self._emitted : place] + lead)
        self._walked.kinds.append(kind)
        self._emitted = place


def _is_undecided(head: bytes) -> bool:
    if head.startswith(b"<!--"):
        return len(head) < 6 and b">" not in head
    return len(head) < 3 or b"<!--".startswith(head) or b"<![CDATA[".startswith(head)


_MODES: dict[str, Callable[[_Walk, int], tuple[int, bool]]] = {
    "data": _Walk._data,
    "pass": _Walk._pass,
    "comment": _Walk._comment,
    "cdata": _Walk._cdata,
    "bogus": _Walk._bogus,
    "raw": _Walk._raw,
    "script": _Walk._script,
}

_SCRIPT_STATES = {
    (b"plain", b"<!--"): b"escaped",
    (b"escaped", b"-->"): b"plain",
    (b"escaped", b"<script"): b"double",
    (b"double", b"-->"): b"plain",
    (b"double", b"</script"): b"escaped",
}
