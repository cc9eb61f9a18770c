"""What an app would compress is compressed in its stead: as it would have been, or not at all."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from engine_kit import BLOG, CRAWLER, DOCUMENT, HTML, NOW, SHOP, A, ask, counting, km, site, through

from kmproxy.config import load
from kmproxy.engine import Engine
from kmproxy.messages import Headers, Response, first, values
from kmproxy.pages import negotiated
from kmproxy.pages.negotiated import Negotiated
from kmproxy.site import Sites
from kmproxy.visit import Departure

OFFER = (b"Accept-Encoding", b"gzip, deflate, br, zstd")
VARY = (b"Vary", b"Accept-Encoding")
GZIP = (*HTML, VARY, (b"Content-Encoding", b"gzip"))
PLAIN = (*HTML, VARY)
PAGE = f'<a href="https://{BLOG}/p">'.encode()
BOBS = PAGE.replace(b"/p", b"/p?kmi=bob")


class App:
    """An app whose compression is within kmproxy."""

    def __init__(self, known: Negotiated | None) -> None:
        sites = Sites(load({"site": [site()]}), known)
        self._engine = Engine(sites, lambda: NOW, counting)

    def answer(
        self, said: Headers, *more: tuple[bytes, bytes], status: int = 200, **asked: Any
    ) -> tuple[bytes, Departure]:
        """What the app is offered, and how its answer leaves."""
        asked = {"target": "/p", "cookie": km(A, "bob"), **asked}
        arrival = self._engine.arrive(ask(asked.pop("target"), *(more or (OFFER,)), **asked))
        assert arrival is not None
        departure = self._engine.depart(arrival, Response(status, b"Reason", said))
        return first(arrival.headers, b"accept-encoding"), departure

    def offer(self, *more: tuple[bytes, bytes], **asked: Any) -> bytes:
        """What the app is offered by another request."""
        return self.answer((*HTML, VARY), *more, status=500, **asked)[0]


@pytest.fixture
def app() -> App:
    return App(Negotiated())


@pytest.fixture
def known(app: App) -> App:
    """An app that was seen to compress ``/p``."""
    assert app.answer(GZIP)[0] == OFFER[1]
    return app


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd"])
def test_a_page_that_came_compressed_is_asked_for_plain_and_leaves_as_it_had_come(
    app: App, coding: bytes
) -> None:
    app.answer((*HTML, VARY, (b"Content-Encoding", coding)))
    for _ in range(3):
        offered, departure = app.answer(PLAIN)
        assert offered == b"identity"
        assert values(departure.headers, b"content-encoding") == [coding]
        assert values(departure.headers, b"vary") == [b"Accept-Encoding, Cookie"]
        assert through(departure, PAGE) != BOBS


def test_it_is_the_visitors_page_in_a_coding_the_client_reads(known: App) -> None:
    for _ in range(4):
        departure = known.answer((*PLAIN, (b"Content-Encoding", b"identity"), (b"ETag", b'"x"')))[1]
        assert gzip.decompress(through(departure, PAGE)) == BOBS
        assert first(departure.headers, b"etag").startswith(b'W/"x-km')
        assert values(departure.headers, b"content-encoding") == [b"gzip"]


def test_a_head_tells_what_a_get_would(known: App) -> None:
    offered, departure = known.answer(PLAIN, method="HEAD")
    assert (offered, departure.rewriter) == (b"identity", None)
    assert values(departure.headers, b"content-encoding") == [b"gzip"]


def test_the_query_makes_no_other_page_of_it(known: App) -> None:
    assert known.offer(target="/p?page=2") == b"identity"


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ((), {"target": "/q"}),
        ((), {"host": BLOG}),
        (((b"Accept-Encoding", b"gzip"),), {}),
        (((b"Accept-Encoding", b"gzip;q=0, br"),), {}),
        ((OFFER, (b"If-None-Match", b'"x"')), {}),
        ((OFFER, (b"If-None-Match", b'W/"x-km0123456789abcdef"')), {}),
        ((OFFER,), {"document": ((b"Accept", b"*/*"), (b"Sec-Fetch-Dest", b"empty"))}),
        ((OFFER,), {"method": "POST", "document": DOCUMENT}),
        ((OFFER,), {"agent": CRAWLER}),
        ((OFFER, (b"Sec-GPC", b"1")), {}),
    ],
    ids=["page", "host", "offer", "refusal", "copy", "own-copy", "fetch", "post", "crawler", "consent"],
)
def test_whoever_asks_otherwise_is_answered_by_the_app_alone(
    known: App, more: Headers, asked: dict[str, Any]
) -> None:
    expected = first(more or (OFFER,), b"accept-encoding")
    offered, departure = known.answer(PLAIN, *(more or (OFFER,)), **asked)
    assert offered == expected
    assert not values(departure.headers, b"content-encoding")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ((*HTML, (b"Content-Encoding", b"gzip")), 200),
        ((*HTML, (b"Content-Encoding", b"gzip"), (b"Vary", b"*")), 200),
        ((*HTML, VARY, (b"Content-Encoding", b"deflate")), 200),
        ((*HTML, VARY, (b"Content-Encoding", b"identity")), 200),
        ((*HTML, VARY, (b"Content-Encoding", b"br, gzip")), 200),
        (PLAIN, 200),
        ((*GZIP, (b"Cache-Control", b"no-transform")), 200),
        ((*GZIP, (b"Content-Disposition", b"attachment")), 200),
        (GZIP, 404),
        (((b"Content-Type", b"image/svg+xml"), VARY, (b"Content-Encoding", b"gzip")), 200),
    ],
)
def test_nothing_is_learned_from_an_answer_that_does_not_say_it(app: App, said: Headers, status: int) -> None:
    app.answer(said, status=status)
    assert app.offer() == OFFER[1]


@pytest.mark.parametrize("offer", [b"gzip, identity;q=0", b"br, gzip;Q=0.5", b"zstd, identity; q=0.000"])
def test_whoever_may_not_read_a_plain_page_is_answered_by_the_app_alone(app: App, offer: bytes) -> None:
    for _ in range(2):
        assert app.answer(GZIP, (b"Accept-Encoding", offer))[0] == offer


@pytest.mark.parametrize(
    "said",
    [HTML, GZIP, (*HTML, (b"Vary", b"Cookie")), (*HTML, VARY, (b"Content-Encoding", b"br"))],
    ids=["no-vary", "compressed-all-the-same", "other-vary", "another-coding"],
)
def test_an_app_that_does_not_go_by_its_offer_is_asked_plainly_once_only(known: App, said: Headers) -> None:
    offered, departure = known.answer(said)
    assert offered == b"identity"
    assert values(departure.headers, b"content-encoding") == values(said, b"content-encoding")
    for _ in range(2):
        assert known.answer(GZIP)[0] == OFFER[1]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (((b"Content-Type", b"application/json"), VARY), 200),
        ((*PLAIN, (b"Cache-Control", b"no-transform")), 200),
        ((*PLAIN, (b"Location", b"/q")), 302),
        (PLAIN, 304),
        (HTML, 500),
        (PLAIN, 404),
    ],
)
def test_what_is_no_such_page_leaves_plain_and_tells_nothing(known: App, said: Headers, status: int) -> None:
    departure = known.answer(said, status=status)[1]
    assert not values(departure.headers, b"content-encoding")
    assert known.offer() == b"identity"


def test_a_proxy_lets_its_upstream_compress() -> None:
    app = App(None)
    app.answer(GZIP)
    assert app.offer() == OFFER[1]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiated, "_MOST", 3)
    known = Negotiated()
    offers = [(SHOP, b"/%d" % number, b"gzip") for number in range(4)]
    for offer in offers:
        known.learn(offer, b"gzip")
    assert [known.coding(offer) for offer in offers] == [b"", b"gzip", b"gzip", b"gzip"]
    known.learn((SHOP, b"/" * 2000, b"gzip"), b"gzip")
    assert known.coding((SHOP, b"/" * 2000, b"gzip")) == b""
