"""Pages of one route: what comes after what is known, and a difference costs what it is long."""

from __future__ import annotations

import random
from functools import partial

import pytest
from pages_kit import ELEMENTS, PAGE, decoded, encoded, slot

from kmproxy.pages import chunks, cuts
from kmproxy.pages import scan as page_scan
from kmproxy.pages.chunks import Chunk, ChunkCache, Texts
from kmproxy.pages.elements import Elements
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import Scanner, State, Walked
from kmproxy.pages.templates import Templates
from kmproxy.site import resolve_base

LINK = b'<a href="https://b.example/p">'
TEXTS = Texts(b"kmi=aaaa")


class Counting(Scanner):
    """A scanner that knows which bytes it was given."""

    def __init__(self) -> None:
        super().__init__(Elements(ELEMENTS), slot, resolve_base)
        self.walked: list[bytes] = []

    def walk(self, state: State, data: bytes, *, final: bool = False) -> Walked:
        self.walked.append(data)
        return super().walk(state, data, final=final)


class Route:
    """A site's memory, and visits to its pages."""

    def __init__(self, max_bytes: int = 1 << 24) -> None:
        self.cache = ChunkCache(max_bytes)
        self.rules = Counting()

    def visit(self, page: bytes, parts: int = 1) -> list[Chunk]:
        """The page's chunks; what was walked is in ``walked``."""
        self.rules.walked = []
        scan = PageScan(self.rules, "www.a.example", PAGE, self.cache)
        size = len(page) // parts + 1
        found = [c for start in range(0, len(page), size) for c in scan.feed(page[start : start + size])]
        found += scan.finish()
        assert b"".join(chunk.filled(TEXTS) for chunk in found) == filled(page)
        assert scan.decorated == sum(chunk.slots for chunk in found)
        return found

    @property
    def walked(self) -> int:
        return sum(map(len, self.rules.walked))


def filled(page: bytes) -> bytes:
    walked = Scanner(Elements(ELEMENTS), slot, resolve_base).walk(State(base=PAGE), page, final=True)
    return TEXTS.query.join(walked.pieces)


def html(seed: int, length: int) -> bytes:
    """A page without a tag that is like another."""
    luck = random.Random(seed)
    kinds = [LINK + b"word %d</a>", b"<p class='c%d'>text</p>", b"<li>item %d", b"<a href='/local/%d'>x</a>"]
    page = b""
    while len(page) < length:
        page += luck.choice(kinds) % luck.randrange(10**9)
    return page


def test_a_page_is_walked_the_first_two_times_only() -> None:
    route, page = Route(), html(1, 100_000)
    walked = []
    for _ in range(4):
        route.visit(page)
        walked.append(route.walked)

    assert walked == [len(page), len(page), 0, 0]


def test_a_page_seen_once_is_walked_in_long_runs_and_not_kept() -> None:
    route = Route()
    found = route.visit(html(1, 100_000))

    assert max(map(len, route.rules.walked)) >= page_scan.MAX_RUN
    assert {chunk.number for chunk in found} == {0}
    route.visit(html(2, 9_000))
    assert not route.cache._chunks
    assert route.cache._bytes == 0


def test_a_chunk_of_the_same_bytes_is_kept_once() -> None:
    route = Route()
    first, *_ = route.visit(html(1, 5_000))
    second, *_ = Route().visit(html(1, 5_000))

    assert route.cache.put(first) is route.cache.put(second) is first
    assert len(route.cache._by_number) == 1


def test_a_known_stretch_is_found_behind_one_of_any_length() -> None:
    route, known = Route(), html(1, 200_000)
    for _ in range(3):
        route.visit(known)
    walked = []
    for length in range(21_000, 50_000, 2_900):
        route.visit(html(length, length) + known)
        walked.append(route.walked - length)

    assert sorted(walked)[len(walked) // 2] < 100_000


@pytest.mark.parametrize("length", [1, 16, 300, 3000])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
def test_a_difference_costs_about_its_own_length(place: float, length: int) -> None:
    route, page = Route(), html(3, 60_000)
    at = page.index(b"<", int(len(page) * place) - 1 if place else 0)
    for seed in range(12):
        token = random.Random(seed).randbytes(length).hex().encode()[:length]
        route.visit(page[:at] + b"<b>" + token + b"</b>" + page[at:])

    assert route.walked < length + 2 * cuts.MIN_SPLIT + 200


def test_differences_of_different_lengths_at_several_places_cost_as_little() -> None:
    route, page = Route(), html(4, 80_000)
    pieces = [page[:9000], page[9000:14_000], page[14_000:14_700], page[14_700:]]
    luck = random.Random(5)
    for _ in range(20):
        tokens = [b"<i>%s</i>" % luck.randbytes(luck.randrange(4, 60)).hex().encode() for _ in range(3)]
        route.visit(pieces[0] + b"".join(a + b for a, b in zip(tokens, pieces[1:], strict=True)))

    assert route.walked < 5_000


def test_routes_that_begin_alike_are_both_known() -> None:
    route, start = Route(), html(6, 20_000)
    pages = [start + html(seed, 40_000) for seed in (7, 8, 9)]
    for _ in range(4):
        for page in pages:
            route.visit(page)
    for page in pages:
        route.visit(page)
        assert route.walked < 9_000


def test_the_same_bytes_in_another_state_are_no_hit() -> None:
    route, page = Route(), html(10, 30_000)
    for _ in range(3):
        route.visit(b"<p>" + page)
    commented = route.visit(b"<!--" + page)

    assert sum(chunk.slots for chunk in commented) == 0


def test_a_chunk_that_came_after_is_not_taken_in_another_state() -> None:
    body = html(11, 30_000)
    spots = [b"<p title='%d'>" % n * 30 for n in range(6)]
    route = Route()
    for spot in spots:
        route.visit(body + spot + body)
    # What follows the spot is known well, but is in a comment now.
    commented = route.visit(body + b"<!-- title='7'>" + spots[0] + body)

    assert sum(chunk.slots for chunk in commented) == body.count(LINK)


@pytest.mark.parametrize("parts", [2, 7, 60])
def test_what_is_known_is_known_in_pieces_too(parts: int) -> None:
    route, page = Route(), html(12, 60_000)
    for _ in range(3):
        route.visit(page)
    route.visit(page, parts)

    assert route.walked == 0


def test_a_pause_within_a_chunk_leads_back_to_what_is_known_and_leaves_nothing_behind() -> None:
    route, page = Route(), html(13, 60_000)
    for _ in range(3):
        route.visit(page)
    kept = set(route.cache._by_number)
    for at in range(20_000, 40_000, 1_111):
        route.rules.walked = []
        scan = PageScan(route.rules, "www.a.example", PAGE, route.cache)
        found = [*scan.feed(page[:at]), *scan.flush(), *scan.feed(page[at:]), *scan.finish()]
        assert b"".join(chunk.filled(TEXTS) for chunk in found) == filled(page)
        assert route.walked < 3 * cuts.LONGEST

    assert set(route.cache._by_number) == kept


def test_what_is_used_stays_and_what_is_not_goes_first() -> None:
    route, page = Route(max_bytes=600_000), html(14, 60_000)
    for _ in range(3):
        route.visit(page)
    for seed in range(100, 140):
        for _ in range(2):
            route.visit(html(seed, 30_000))
        route.visit(page)
        assert route.walked == 0
        assert route.cache._bytes <= 600_000

    assert len(route.cache._chunks) == len(route.cache._by_number)
    assert sum(map(chunks._size, route.cache._chunks.values())) == route.cache._bytes


def test_a_chunk_in_whose_place_something_else_stands_counts_as_used() -> None:
    route, page = Route(), html(18, 30_000)
    for seed in range(8):
        route.visit(page + b"<b>%d</b>" % seed + page)
    oldest, *_ = route.cache._by_number.values()
    route.cache.use(oldest)

    assert [*route.cache._by_number.values()][-1] is oldest


def test_without_any_memory_pages_leave_all_the_same() -> None:
    route, page = Route(max_bytes=0), html(15, 60_000)
    for seed in range(4):
        route.visit(page[:20_000] + b"<b>%d" % seed + page[20_000:])

    assert not route.cache._chunks


def test_what_is_kept_takes_no_more_than_it_is_counted_as(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, templates = ChunkCache(1 << 24), Templates(1 << 24)
    rules, page = Counting(), html(16, 60_000)
    for seed in range(60):
        text = Texts(b"kmi=" + b"a" * (seed % 7))
        scan = partial(PageScan, rules, "www.a.example", PAGE, memory)
        rewriter = PageRewriter(b"gzip", scan, text, templates, PAGE)
        spot = b"<b>%d</b>" % random.Random(seed).getrandbits(60)
        out = rewriter.write(encoded(b"gzip", page[:30_000] + spot + page[30_000:])) + rewriter.finish()
        assert decoded(b"gzip", out).count(text.query) >= page.count(LINK)
        for job in rewriter.jobs:
            job()
    taken = sum(_bytes_of(chunk) for chunk in memory._chunks.values())

    befores = {before for chunk in memory._chunks.values() for before, _ in chunk.blocks}

    assert 0 < taken <= memory._bytes
    assert 0 in befores
    assert befores & set(memory._by_number)


def _bytes_of(chunk: Chunk) -> int:
    parts = [part for made in chunk.blocks.values() for part in made or ()]
    return len(chunk.key.data) + sum(len(piece) + 33 for piece in (*chunk.pieces, *parts))


def test_a_page_full_of_surprises_is_walked_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    route, page = Route(), html(17, 90_000)
    places = [page.index(b"<", at) for at in range(0, 85_000, 16_000)]
    spotted = b"\0".join(page[a:b] for a, b in zip(places, [*places[1:], len(page)], strict=True))
    walked = []
    for seed in range(30):
        if seed == 29:
            monkeypatch.setattr(page_scan, "_MOST_SURPRISES", 2)
        route.visit(spotted.replace(b"\0", b"<b>%d</b>" % random.Random(seed).getrandbits(60)))
        walked.append(route.walked)

    assert walked[28] < 10_000
    assert walked[29] > 20_000
