"""Exchanges of pages and assets, in every coding and framing."""

from __future__ import annotations

import zlib

from doors_engine import by_engine
from doors_kit import ANN, DECORATED, ENCODED, LINK, PAGE, SPLIT, UNDECORATED, Case, gzipped, html

from kmproxy.messages import Headers

TAGGED: Headers = html((b"ETag", b'"33a6"'))
MEGABYTE = PAGE + b"".join(b"<p>line %d of many</p>" % number for number in range(45_000)) + LINK
LONG_GZIP = gzipped(b"".join(b"%d" % (number * 7919**3) for number in range(80_000)) + MEGABYTE)
NOISE = bytes(range(256)) * 40


def _etag(cookie: str) -> bytes:
    """What a visitor's browser keeps of the tagged page."""
    return by_engine(Case("etag", cookie=cookie, headers=TAGGED)).headers[b"etag"][0]


def _asking(etag: bytes) -> Headers:
    return ((b"If-None-Match", etag),)


PAGES = [
    Case("plain-page", shows=(DECORATED, b'<a href="/own">', b"private", b"vary: Cookie")),
    Case("many-links", body=b"<p>" + LINK * 500, shows=(b"kmi=ann#end",)),
    *(
        Case(f"page-in-{coding.decode()}", headers=html((b"Content-Encoding", coding)), body=encode(PAGE))
        for coding, encode in ENCODED.items()
    ),
    Case("streamed", pieces=SPLIT, shows=(DECORATED,), hides=(UNDECORATED,)),
    Case(
        "streamed-gzip",
        headers=html((b"Content-Encoding", b"gzip")),
        pieces=(gzipped(PAGE)[:30], gzipped(PAGE)[30:]),
        shows=(DECORATED,),
    ),
    Case("streamed-byte-by-byte", pieces=(*[PAGE[at : at + 1] for at in range(29, 45)], PAGE)),
    Case("streamed-nothing", pieces=(b"",)),
    Case("empty", body=b""),
    Case("head", method="HEAD", headers=TAGGED, shows=(b'etag: W/"33a6-km',), hides=(b"content-length",)),
    Case(
        "head-of-asset", method="HEAD", headers=((b"Content-Type", b"image/png"),), shows=(b"content-length",)
    ),
    Case("no-content", status=204, reason=b"No Content", headers=((b"X-Tag", b"1"),), body=b""),
    Case("megabyte", body=MEGABYTE, shows=(DECORATED + b'">blog</a><a',), hides=(UNDECORATED,)),
    Case("megabyte-gzip", headers=html((b"Content-Encoding", b"gzip")), body=gzipped(MEGABYTE)),
    Case("not-found", status=404, reason=b"Not Found", shows=(b"404", DECORATED)),
    Case("server-error", status=500, reason=b"Internal Server Error", shows=(b"500", DECORATED)),
    Case("own-reason", status=299, reason=b"Fine By Me", shows=(b"299", DECORATED)),
    Case("no-domain", body=b'<a href="https://www.elsewhere.example/">', shows=(b'elsewhere.example/"',)),
    Case("xhtml", headers=((b"Content-Type", b"application/xhtml+xml"),), shows=(DECORATED,)),
    Case("post", method="POST", asks=((b"Content-Length", b"0"),), shows=(DECORATED,)),
    Case("asset", headers=((b"Content-Type", b"image/png"),), body=NOISE, shows=(NOISE,)),
    Case("asset-streamed", headers=((b"Content-Type", b"image/png"),), pieces=(NOISE, NOISE), shows=(NOISE,)),
    Case("asset-with-links", headers=((b"Content-Type", b"text/plain"),), shows=(UNDECORATED,)),
    Case("attachment", headers=html((b"Content-Disposition", b"attachment")), shows=(UNDECORATED,)),
    Case("no-transform", headers=html((b"Cache-Control", b"no-transform")), shows=(UNDECORATED,)),
    Case(
        "utf-16-said",
        headers=((b"Content-Type", b"text/html; charset=utf-16"),),
        body=PAGE.decode().encode("utf-16"),
    ),
    Case("utf-16-marked", headers=((b"Content-Type", b"text/html"),), body=PAGE.decode().encode("utf-16")),
    Case("unknown-coding", headers=html((b"Content-Encoding", b"dcb")), body=NOISE, shows=(NOISE,)),
    Case("coding-that-lies", headers=html((b"Content-Encoding", b"gzip")), shows=(UNDECORATED,)),
    Case("gzip-cut-short", headers=html((b"Content-Encoding", b"gzip")), body=gzipped(PAGE)[:-9]),
    Case("gzip-cut-short-when-begun", headers=html((b"Content-Encoding", b"gzip")), body=LONG_GZIP[:-9]),
    Case(
        "gzip-cut-short-streamed",
        headers=html((b"Content-Encoding", b"gzip")),
        pieces=(gzipped(PAGE)[:-9], b""),
    ),
    Case(
        "deflate-broken-streamed",
        headers=html((b"Content-Encoding", b"deflate")),
        pieces=(zlib.compress(PAGE)[:70], NOISE),
    ),
    Case(
        "own-copy",
        asks=_asking(_etag(ANN)),
        status=304,
        reason=b"Not Modified",
        headers=TAGGED[1:],
        body=b"",
        shows=(b"-km",),
    ),
    Case("own-copy-changed", asks=_asking(_etag(ANN)), headers=TAGGED, shows=(DECORATED,)),
    Case("other-copy", asks=_asking(_etag("km_ni=bob")), headers=TAGGED, shows=(DECORATED,)),
]
