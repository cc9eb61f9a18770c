"""What the doors' tests share: an exchange as a value, before and after."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import brotli
import zstandard

from kmproxy.messages import Headers
from kmproxy.tracking import TrackingCall

SHOP, BLOG, STRANGER = "shop.acme.example", "www.acme-blog.example", "www.stranger.example"
KEY, TOKEN = "0123456789abcdef", "0f8e7d6c5b4a3928"
A = "p2fvF3kGwdjQPxTO6yYKy8qocPA="
ANN = "km_ai=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D; km_ni=ann"
ANONYMOUS = "km_ai=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D"
FIREFOX = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HTML: Headers = ((b"Content-Type", b"text/html; charset=utf-8"),)
LINK = b'<a href="https://www.acme-blog.example/p?a=1#end">blog</a>'
PAGE = b"<!doctype html><p>Hello " + LINK + b'<a href="/own">own</a>'
SPLIT = (PAGE[:40], PAGE[40:55], b"", PAGE[55:], b"<p>more" + LINK)
DECORATED = b"/p?a=1&amp;kmi=ann#end"
UNDECORATED = b"/p?a=1#end"
TO_BLOG = (b"Location", f"https://{BLOG}/next".encode())
NOT_MINTING: dict[str, Any] = {"identity": {"mint": False}}
MIXPANEL: dict[str, Any] = {"kissmetrics": None, "mixpanel": {"token": TOKEN}}
MP = f"mp_{TOKEN}_mixpanel"
MP_ANONYMOUS = (
    f"{MP}=%7B%22distinct_id%22%3A%22%24device%3A5f2b%22%2C%22%24device_id%22%3A%225f2b%22%2C%22x%22%3A1%7D"
)

_WITHOUT_CONTENT = (204, 304)
_OF_SERVERS = (b"x-forwarded-", b"connection", b"host", b"transfer-encoding")
_FRAMING = frozenset({b"date", b"server", b"connection", b"transfer-encoding"})


@dataclass(frozen=True)
class Case:
    """A request, the app's response, and a few words on what comes of it; all of it by the engine."""

    name: str
    target: bytes = b"/"
    cookie: str = ANN
    asks: Headers = ()
    method: str = "GET"
    host: str = SHOP
    agent: bytes = FIREFOX
    accept: bytes = b"text/html,*/*;q=0.8"
    sends: tuple[bytes, ...] | None = None
    """The request's body; several pieces come in chunks."""

    status: int = 200
    reason: bytes = b"OK"
    headers: Headers = HTML
    body: bytes = PAGE
    pieces: tuple[bytes, ...] = ()
    """Of a body that is streamed."""

    site: dict[str, Any] = field(default_factory=dict)
    is_full: bool = False
    """Whether the outbox takes no call."""

    shows: tuple[bytes, ...] = ()
    """What must be found in the client's answer or in the calls."""

    hides: tuple[bytes, ...] = ()

    @property
    def request_headers(self) -> Headers:
        cookies = ((b"Cookie", self.cookie.encode()),) if self.cookie else ()
        host = ((b"Host", self.host.encode()), (b"User-Agent", self.agent), (b"Accept", self.accept))
        return (*host, *cookies, *self._framing, *self.asks)

    @property
    def _framing(self) -> Headers:
        if self.sends is None:
            return ()
        if len(self.sends) > 1:
            return ((b"Transfer-Encoding", b"chunked"),)
        return ((b"Content-Length", b"%d" % len(self.sends[0])),)

    @property
    def response_headers(self) -> Headers:
        if self.pieces or self.status in _WITHOUT_CONTENT:
            return self.headers
        return (*self.headers, (b"Content-Length", b"%d" % len(self.body)))

    @property
    def request(self) -> bytes:
        """As HTTP/1.1; the connection is for it alone."""
        lines = [b"%b: %b" % pair for pair in (*self.request_headers, (b"Connection", b"close"))]
        head = self.method.encode() + b" " + self.target + b" HTTP/1.1"
        return b"\r\n".join([head, *lines, b"", self._body])

    @property
    def _body(self) -> bytes:
        if self.sends is None or len(self.sends) == 1:
            return b"".join(self.sends or ())
        return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*self.sends, b""))


@dataclass
class Exchange:
    """What the client got, what the app saw and what the outbox was given."""

    status: int
    headers: dict[bytes, list[bytes]]
    """Lower-case names; values in order; framing aside."""

    body: bytes
    is_whole: bool
    """Whether the body ended as a body ends."""

    calls: list[TrackingCall]
    seen: tuple[bytes, dict[bytes, bytes]] | None
    """Target and headers as the app saw them; None where it was not asked."""

    read: bytes = b""
    """The request's body as the app read it."""

    def said(self) -> bytes:
        """All of it in one text, the body decoded."""
        lines = [b"%b: %b" % (name, value) for name, said in self.headers.items() for value in said]
        calls = [call.url.encode() + b" " + call.body for call in self.calls]
        return b"\n".join([b"%d" % self.status, *lines, b"", self.plain(), b"", *calls])

    def plain(self) -> bytes:
        return decoded(self.headers.get(b"content-encoding", [b""])[0], self.body)


def exchange(
    case: Case,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
    calls: list[TrackingCall],
    seen: tuple[bytes, Iterable[tuple[bytes, bytes]]] | None,
    *,
    is_whole: bool = True,
    read: bytes = b"",
) -> Exchange:
    """An exchange made comparable; the length that was announced must be the body's."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    if case.method != "HEAD" and status not in _WITHOUT_CONTENT:
        announced = found.pop(b"content-length", None)
        is_true = announced == [b"%d" % len(body)]
        assert (is_true or announced is None) if is_whole else not is_true
    comparable = {name: found[name] for name in sorted(found.keys() - _FRAMING)}
    return Exchange(status, comparable, body, is_whole, calls, seen and _seen(*seen), read)


def _seen(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, dict[bytes, bytes]]:
    # Each server has its own word on these.
    found = {
        name.lower(): value
        for name, value in headers
        if not name.lower().startswith((*_OF_SERVERS, b"content-"))
    }
    # Neither ASGI nor WSGI can tell an empty query from none.
    return target.removesuffix(b"?"), found


def html(*more: tuple[bytes, bytes]) -> Headers:
    """A page's headers."""
    return (*HTML, *more)


def gzipped(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=31)
    return stream.compress(data) + stream.flush()


ENCODED: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzipped,
    b"br": brotli.compress,
    b"zstd": zstandard.compress,
    b"deflate": zlib.compress,
}


def decoded(coding: bytes, body: bytes) -> bytes:
    """As far as it can be; what is not in ``coding`` stays."""
    try:
        if coding in (b"gzip", b"deflate"):
            return zlib.decompressobj(47).decompress(body)
        if coding == b"br":
            return bytes(brotli.decompress(body))
        return zstandard.ZstdDecompressor().decompressobj().decompress(body) if coding == b"zstd" else body
    except (zlib.error, brotli.error, zstandard.ZstdError):
        return body
