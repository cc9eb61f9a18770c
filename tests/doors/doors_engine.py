"""An engine whose clock stands still and an outbox in memory; and the exchange without any door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from doors_kit import BLOG, KEY, SHOP, Case, Exchange, exchange

from kmproxy.config import Config, load
from kmproxy.engine import Engine
from kmproxy.errors import OutboxError
from kmproxy.messages import Request, Response
from kmproxy.observer import Observers
from kmproxy.pages.codings import CodingError
from kmproxy.passage import Passage, through_blocking
from kmproxy.site import Sites
from kmproxy.tracking import TrackingCall


class Kept:
    """An outbox, and a courier to it, in memory. Full, it takes nothing."""

    def __init__(self) -> None:
        self.is_full = False
        self.begun = self.ended = 0
        self._calls: list[TrackingCall] = []

    def put_blocking(self, calls: Sequence[TrackingCall]) -> None:
        if self.is_full:
            raise OutboxError("full")
        self._calls += calls

    async def put(self, calls: Sequence[TrackingCall]) -> None:
        self.put_blocking(calls)

    def taken(self) -> list[TrackingCall]:
        """What was put since the last time."""
        calls, self._calls = self._calls, []
        return calls

    def start(self) -> None:
        self.begun += 1

    def close(self, within: float = 5.0) -> None:
        self.ended += 1


class _NoSender:
    """What ``ProxyServer`` starts; nothing is sent."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def start(self) -> None:
        pass

    async def stop(self, within: float = 0.0) -> None:
        pass

    def wake(self) -> None:
        pass


def fixed(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Doors made from now on have a clock that stands still, known randomness and the returned outbox."""
    kept = Kept()
    for place in ("kmproxy.door", "kmproxy.proxy.server"):
        monkeypatch.setattr(f"{place}.Engine", lambda sites, clock, randomness: engine(sites))
    monkeypatch.setattr("kmproxy.door.Courier", lambda url: kept)
    monkeypatch.setattr("kmproxy.proxy.server.Sender", _NoSender)
    # A pause of the upstream is one, however busy the machine is.
    monkeypatch.setattr("kmproxy.proxy.handler._MOMENT", 0.0)
    return kept


def engine(sites: Sites) -> Engine:
    return Engine(sites, lambda: 1_700_000_000.9, lambda length: bytes(range(length)))


def config(upstream: str = "", outbox: str = "sqlite:kmproxy-outbox.db", **site: Any) -> Config:
    """A site of two domains."""
    own = {"upstream": upstream} if upstream else {}
    domains = [{"host": host, **own} for host in (SHOP, BLOG)]
    made = {"name": "acme", "kissmetrics": {"api_key": KEY}, "domain": domains, **site}
    return load(
        {"server": {"listen": ["127.0.0.1:0"], "admin": ""}, "outbox": {"url": outbox}, "site": [made]}
    )


def by_engine(case: Case) -> Exchange:
    """The exchange as the engine alone decides it."""
    kept = Kept()
    kept.is_full = case.is_full
    passage = Passage(engine(Sites(config(**case.site))), Observers())
    target, headers = case.target, case.request_headers
    arrival = through_blocking(
        passage.arrive(Request(case.method, "http", case.host, target, headers)), kept.put_blocking
    )
    assert arrival is not None
    if answer := arrival.answer:
        return exchange(case, answer.status, answer.headers, answer.body, kept.taken(), None)
    sent = b"".join(case.sends or ())
    if case.sends and arrival.form is not None:
        arrival.form.take(sent)
        arrival.form.end()
    response = Response(case.status, case.reason, case.response_headers)
    departure = through_blocking(passage.depart(arrival, response), kept.put_blocking)
    pieces = case.pieces or (() if case.method == "HEAD" else (case.body,))
    body, is_whole = b"", True
    if rewriter := departure.rewriter:
        try:
            for piece in pieces:
                body += rewriter.write(piece) + (rewriter.flush() if case.pieces else b"")
            body += rewriter.finish()
        except CodingError:
            body, is_whole = body + rewriter.salvage(), False
    else:
        body = b"".join(pieces)
    seen = arrival.target, arrival.headers
    return exchange(
        case, case.status, departure.headers, body, kept.taken(), seen, is_whole=is_whole, read=sent
    )
