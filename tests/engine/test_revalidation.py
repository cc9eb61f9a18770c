"""Revalidation, by property: whatever happens between two visits, a page shown again is the right one.

One cache for all visitors, which ignores ``private`` and ``Vary``: worse than any there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import pytest
from engine_kit import BLOG, BOTH, DOCUMENT, NOT_MINTING, PARTNER, SHOP, A, ask, engine, km, through
from hypothesis import given
from hypothesis import strategies as st

from kmproxy.messages import Headers, Response, first, tokens, values, without
from kmproxy.visit import Arrival

FRAME = ((b"Accept", b"text/html"), (b"Sec-Fetch-Dest", b"iframe"))
FETCH = ((b"Accept", b"*/*"), (b"Sec-Fetch-Dest", b"empty"))
REFUSED = (b"Sec-GPC", b"1")
WEDNESDAY = b"Wed, 15 Nov 2023 22:13:20 GMT"

CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"links": {"elements": ["a"]}},
    {"domain": [{"host": SHOP}, {"host": BLOG}]},
    BOTH,
]
VISITORS = ["", km(A), km(A, "bob"), km(A, "ann")]


@dataclass
class Upstream:
    """A server that evaluates conditions as RFC 9110 §13.2.2 says, or compares bytes as many do."""

    version: int = 1
    etag: bytes = b'"%d"'
    dated: bool = True
    weakly: bool = True
    says_etag: bool = True
    """In a 304."""

    def body(self) -> bytes:
        return f'<a href="https://{BLOG}/?v={self.version}">x</a><area href="https://{PARTNER}/">'.encode()

    def answer(self, headers: Headers) -> Response:
        assert not first(headers, b"range"), "a part of a page"
        facts = self._facts()
        if not self._has_copy(headers):
            return Response(
                200, b"", ((b"Content-Type", b"text/html"), (b"Cache-Control", b"no-cache"), *facts)
            )
        return Response(304, b"", facts if self.says_etag else without(facts, frozenset({b"etag"})))

    def _facts(self) -> Headers:
        etag = ((b"ETag", self.etag % self.version),) if self.etag else ()
        # The date stays: what is published within one second has the same.
        return (*etag, (b"Last-Modified", WEDNESDAY)) if self.dated and self.version == 1 else etag

    def _has_copy(self, headers: Headers) -> bool:
        said = [tag.strip() for value in values(headers, b"if-none-match") for tag in value.split(b",")]
        if not said:
            dated = self.dated and self.version == 1
            return dated and first(headers, b"if-modified-since") == WEDNESDAY
        own = self.etag % self.version if self.etag else b"none"
        if self.weakly:
            return own.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in said]
        return own in said


@dataclass
class World:
    """A page, its upstream, one cache, and whoever comes by."""

    upstream: Upstream
    configuration: dict[str, Any] = field(default_factory=dict)
    cookie: str = ""
    refuses: bool = False
    stored: tuple[Headers, bytes] | None = None
    reused: int = 0

    def visit(self, document: Headers) -> None:
        arrival = self._arrive(document, self._conditions())
        response = self.upstream.answer(arrival.headers)
        shown = self._shown(arrival, response)
        fresh = self._fresh(document)
        # A script's request that does not say it wants a page may get one made for nobody, as it stored it.
        assert shown == fresh or (document == FETCH and shown == self.upstream.body())

    def _tables(self) -> dict[str, Any]:
        return {**NOT_MINTING, **self.configuration}

    def _arrive(self, document: Headers, conditions: Headers) -> Arrival:
        said = (REFUSED, *conditions) if self.refuses else conditions
        arrival = engine(**self._tables()).arrive(ask("/p", *said, cookie=self.cookie, document=document))
        assert arrival is not None
        return arrival

    def _conditions(self) -> Headers:
        """As browsers ask (RFC 9111 §4.3.1)."""
        if self.stored is None:
            return ()
        pairs = ((b"etag", b"If-None-Match"), (b"last-modified", b"If-Modified-Since"))
        return tuple((name, value) for said, name in pairs if (value := first(self.stored[0], said)))

    def _shown(self, arrival: Arrival, response: Response) -> bytes:
        departure = engine(**self._tables()).depart(arrival, response)
        if response.status == 200:
            body = self.upstream.body()
            shown = through(departure, body) if departure.rewriter else body
            self.stored = (departure.headers, shown)
            return shown
        assert self.stored is not None, "a 304 to nobody's copy"
        self.reused += 1
        self._freshen(departure.headers)
        return self.stored[1]

    def _freshen(self, headers: Headers) -> None:
        """RFC 9111 §3.2: what the 304 says stands for what was stored."""
        assert self.stored is not None
        before, body = self.stored
        etag = first(before, b"etag")
        assert first(headers, b"etag") in (b"", etag)
        kept = without(before, frozenset(name.lower() for name, _ in headers))
        self.stored = ((*kept, *headers), body)
        assert values(self.stored[0], b"etag") == ([etag] if etag else [])
        if b"-km" in etag:
            assert b"private" in tokens(self.stored[0], b"cache-control")
            assert b"cookie" in tokens(self.stored[0], b"vary")

    def _fresh(self, document: Headers) -> bytes:
        """What a visitor without a copy would get."""
        arrival = self._arrive(document, ())
        whole = Response(200, b"", ((b"Content-Type", b"text/html"),))
        departure = engine(**self._tables()).depart(arrival, whole)
        return through(departure, self.upstream.body()) if departure.rewriter else self.upstream.body()


class Visit(NamedTuple):
    """Who comes by, to which site, and how the page is asked for."""

    cookie: str
    refuses: bool
    configuration: dict[str, Any]
    document: Headers


WHO = [*product(VISITORS, [False]), (km(A, "bob"), True)]
VISITS = [Visit(*who, *what) for who, *what in product(WHO, CONFIGURATIONS, [DOCUMENT, FRAME, FETCH])]


def play(world: World, visit: Visit) -> None:
    world.cookie, world.refuses, world.configuration = visit[:3]
    world.visit(visit.document)


@pytest.mark.no_cover
@pytest.mark.parametrize("etag", [b'"%d"', b'W/"%d"', b"%d", b""])
@pytest.mark.parametrize("dated", [True, False])
def test_after_any_visit_any_other_is_shown_a_page_made_for_it(etag: bytes, dated: bool) -> None:
    for before, after in product(VISITS, repeat=2):
        world = World(Upstream(etag=etag, dated=dated))
        play(world, before)
        play(world, after)


upstreams = st.builds(
    Upstream,
    etag=st.sampled_from([b'"%d"', b'W/"%d"', b"%d", b""]),
    dated=st.booleans(),
    weakly=st.booleans(),
    says_etag=st.booleans(),
)


@pytest.mark.no_cover
@given(upstream=upstreams, story=st.lists(st.tuples(st.sampled_from(VISITS), st.integers(1, 2)), max_size=10))
def test_a_page_that_is_shown_again_was_made_for_this_visitor_and_this_configuration(
    upstream: Upstream, story: list[tuple[Visit, int]]
) -> None:
    world = World(upstream)
    for visit, version in story:
        upstream.version = version
        play(world, visit)


@pytest.mark.parametrize("document", [DOCUMENT, FRAME, FETCH])
@pytest.mark.parametrize("cookie", VISITORS)
@pytest.mark.parametrize("etag", [b'"%d"', b'W/"%d"'])
@pytest.mark.parametrize("weakly", [True, False])
def test_the_same_visitors_page_is_sent_once(
    document: Headers, cookie: str, etag: bytes, weakly: bool
) -> None:
    world = World(Upstream(etag=etag, weakly=weakly), cookie=cookie)
    for _ in range(3):
        world.visit(document)
    assert world.reused == 2


def test_bobs_copy_serves_bob_again_after_ann_was_there() -> None:
    world = World(Upstream(), cookie=km(A, "bob"))
    world.visit(DOCUMENT)
    bobs = world.stored
    world.cookie = km(A, "ann")
    world.visit(DOCUMENT)
    assert world.reused == 0
    world.cookie, world.stored = km(A, "bob"), bobs
    world.visit(DOCUMENT)
    assert world.reused == 1
