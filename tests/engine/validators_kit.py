"""What the tests of validators share: ways to ask for a page, and a visitor's entity tag."""

from __future__ import annotations

from typing import Any

from engine_kit import (
    NOT_MINTING,
    SHOP,
    A,
    arrive,
    ask,
    engine,
    km,
)

from kmproxy.messages import Response
from kmproxy.visit import Arrival, Departure

BOB, ANN = km(A, "bob"), km(A, "ann")
IMAGE = ((b"Accept", b"image/*,*/*;q=0.8"), (b"Sec-Fetch-Dest", b"image"))
IFRAME = ((b"Accept", b"text/html"), (b"Sec-Fetch-Dest", b"iframe"))
FRAME = ((b"Accept", b"*/*"), (b"Sec-Fetch-Dest", b"frame"))
TURBO = ((b"Accept", b"text/html, application/xhtml+xml"), (b"Sec-Fetch-Dest", b"empty"))
FETCH = ((b"Accept", b"*/*"), (b"Sec-Fetch-Dest", b"empty"))
SOME_DATE = b"Tue, 14 Nov 2023 22:13:20 GMT"
ELSEWHERE: dict[str, Any] = {"domain": [{"host": SHOP}, {"host": "www.elsewhere.example"}]}


def mark(cookie: str = BOB, **tables: Any) -> bytes:
    return arrive(ask(cookie=cookie), **tables).mark


def tag(opaque: bytes = b"x", cookie: str = BOB, **tables: Any) -> bytes:
    """The entity tag of that visitor's page."""
    return b'W/"%b-km%b"' % (opaque, mark(cookie, **tables))


def asked(*conditions: tuple[bytes, bytes], **more: Any) -> dict[bytes, bytes]:
    """The conditions as they reach the upstream."""
    arrival = arrive(ask("/p", *conditions, **more), **NOT_MINTING)
    told = [(name.lower(), value) for name, value in arrival.headers]
    return {name: value for name, value in told if name.startswith(b"if-") or name == b"range"}


def depart(of: Arrival, status: int, *headers: tuple[bytes, bytes]) -> Departure:
    return engine(**NOT_MINTING).depart(of, Response(status, b"", headers))
