"""A page on its way through a scanner, in chunks.

Most pages of a route differ in a token, a name, a date. So a page is cut into chunks, and
what is seen again is kept. Where a page differs from what was expected, as little as leads
back to it is scanned anew.
"""

from __future__ import annotations

from kmproxy.pages import cuts
from kmproxy.pages.chunks import MOST_FOLLOWERS, Chunk, ChunkCache, Key
from kmproxy.pages.scanner import Scanner, State

MAX_RUN = 65_536
"""Bytes that are scanned in one go where nothing is known."""

_LONGEST_ASIDE = 32_768
"""Bytes of the longest stretch that is kept for the sake of what is known on both its sides."""

_RESCAN_ABOVE = 4_096
"""Bytes of an unfinished tag above which a pause does not make it be looked at again, nor remembered."""

_MOST_SURPRISES = 256
_MOST_IN_A_ROW = 4
"""Times that a way back to what is known is looked for on a page, and in vain: each takes some time."""

_MOST_TRIED = 4
"""Of the followers, how many may be what something else stands in the place of."""


class PageScan:
    """One page on its way through a scanner, cut into chunks.

    ``page`` names what a slot's place may depend on besides the bytes: the page's host.
    """

    def __init__(
        self, scanner: Scanner, page: str, base: str, cache: ChunkCache, state: State | None = None
    ) -> None:
        self._scanner = scanner
        self._page = page
        self._cache = cache
        self._state = state or State(base=base)
        self._last = cache.start(page, self._state)
        """The chunk before, or the one that was expected in its place."""
        self._pending = b""
        self._aside: tuple[Chunk, Chunk] | None = None
        """A place that is known, and what came there unknown."""
        self._surprises = self._in_a_row = 0
        self.decorated = 0
        self.skipped: dict[str, int] = {}

    def again(self) -> PageScan:
        """The same page from its beginning, its base known: it counts wherever it stands (HTML §4.2.3)."""
        base = self._state.base
        known = State(base=base, base_is_set=True, rebased=self._state.rebased)
        return PageScan(self._scanner, self._page, base, self._cache, known)

    def leads_nowhere(self, page: bytes) -> bool:
        """Whether a whole page names no host that a link could be decorated for."""
        return self._scanner.leads_nowhere(page)

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that are whole by now."""
        self._pending = self._pending + data if self._pending else data
        return self._cut(cuts.LONGEST)

    def flush(self) -> list[Chunk]:
        """What is decided by now, whole chunks or not: for a page that pauses."""
        held = len(self._state.held)
        if not self._pending or (held > _RESCAN_ABOVE and 4 * len(self._pending) < held):
            return []
        data, self._pending = self._pending, b""
        return [self._count(self._walk(data))]

    def finish(self) -> list[Chunk]:
        """The rest of the page; a tag that never ended is no tag."""
        found = self._cut(0)
        if self._aside and self._aside[0].number:
            self._settle()
        if self._state.held:
            found.append(self._count(self._walk(b"", final=True)))
        return found

    def _cut(self, least: int) -> list[Chunk]:
        """What is pending, less what is unknown and not longer than ``least``: it may go on."""
        data, start, found = self._pending, 0, list[Chunk]()
        while start < len(data):
            chunk = self._cache.expected(self._last, self._state, data, start)
            if chunk is not None:
                self._last, self._in_a_row = chunk, 0
                found.append(self._count(chunk))
                start += len(chunk.key.data)
            # An unfinished tag is looked at again only when it has grown by a quarter: linear in the end.
            elif len(data) - start > (least and max(least, len(self._state.held) // 4)):
                new, start = self._unexpected(data, start)
                found += new
            else:
                break
        self._pending = data[start:]
        return found

    def _unexpected(self, data: bytes, start: int) -> tuple[list[Chunk], int]:
        """What is at ``start`` instead of what was expected, and where that is over."""
        self._surprises += 1
        self._in_a_row += 1
        may_return = self._surprises <= _MOST_SURPRISES and self._in_a_row <= _MOST_IN_A_ROW
        if may_return and len(self._state.held) <= _RESCAN_ABOVE:
            for expected in self._cache.followers(self._last)[:_MOST_TRIED]:
                spans, end = cuts.alike(expected.key.data, data, start)
                if end < 0:
                    end = self._after(expected, data, spans[-1][1] if spans else start)
                if end > start:
                    return self._differing(expected, data, start, spans, end), end
        return self._unknown(data, start)

    def _after(self, expected: Chunk, data: bytes, place: int) -> int:
        """Where from ``place`` on there is what came after ``expected``; -1 if nowhere near."""
        for chunk in self._cache.followers(expected):
            found = cuts.found_again(chunk.key.data, data, place, len(expected.key.data))
            if found >= 0:
                return found
        return -1

    def _differing(
        self, expected: Chunk, data: bytes, start: int, spans: list[tuple[int, int]], end: int
    ) -> list[Chunk]:
        """What stands in the place of ``expected``: of what is alike, chunks of their own."""
        self._cache.use(expected)
        if not spans:
            found = [self._count(self._walk(data[start:end]))]
            self._last = expected
            return found
        found = []
        for first, last in [*spans, (end, end)]:
            # What differs is kept, too, to be expected where another one will stand.
            found += [self._go_on(part, keep=True) for part in (data[start:first], data[first:last]) if part]
            start = last
        return found

    def _unknown(self, data: bytes, start: int) -> tuple[list[Chunk], int]:
        """A chunk seen before, or all up to the next one, and where that ends."""
        held = len(self._state.held)
        end, most = start, start + max(MAX_RUN, held // 4)
        while end < min(most, len(data)):
            begin, end = end, cuts.end_of_chunk(data, end)
            if held <= _RESCAN_ABOVE and self._cache.seen_before(data[begin:end]):
                keep = begin == start
                end = end if keep else begin
                return [self._go_on(data[start:end], keep=keep)], end
        return [self._go_on(data[start:end], keep=False)], end

    def _go_on(self, data: bytes, *, keep: bool) -> Chunk:
        """The chunk of ``data``, remembered as what comes here if it is to be kept."""
        chunk = self._cache.get(Key(self._page, self._state, data)) if keep else None
        if chunk is None:
            chunk = self._walk(data)
            if keep:
                self._cache.put(chunk)
        if keep:
            self._settle()
            self._last.follow(chunk)
        else:
            may_settle = self._last.is_place and len(data) <= _LONGEST_ASIDE
            self._aside = (self._last, chunk) if may_settle else None
        self._last = chunk
        return self._count(chunk)

    def _settle(self) -> None:
        """Keep what stood alone between two known places: the next page's will stand there, too."""
        if self._aside:
            before, aside = self._aside
            self._aside = None
            if len(before.followers) < MOST_FOLLOWERS:
                before.follow(self._cache.put(aside))

    def _walk(self, data: bytes, *, final: bool = False) -> Chunk:
        walked = self._scanner.walk(self._state, data, final=final)
        kinds = tuple(walked.kinds) if any(walked.kinds) else ()
        pieces = (data,) if walked.pieces == [data] else tuple(walked.pieces)
        return Chunk(Key(self._page, self._state, data), pieces, kinds, walked.after, walked.skipped)

    def _count(self, chunk: Chunk) -> Chunk:
        self._state = chunk.after
        self.decorated += len(chunk.pieces) - 1
        chunk.sights += 1
        for reason, count in chunk.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        return chunk
