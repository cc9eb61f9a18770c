"""What the engine's tests share: a site of three domains, a browser, a clock that stands still."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, unquote

from kmproxy.config import load
from kmproxy.engine import Engine
from kmproxy.messages import Headers, Request, Response, first, values
from kmproxy.site import Sites
from kmproxy.visit import Arrival, Departure

NOW = 1_700_000_000.9
KEY = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "0f8e7d6c5b4a39281706f5e4d3c2b1a0"
MP = f"mp_{TOKEN}_mixpanel"

SHOP = "shop.acme.example"
BLOG = "www.acme-blog.example"
PARTNER = "eu.partner.example"
OTHER_SITE = "www.rival.example"

A = "p2fvF3kGwdjQPxTO6yYKy8qocPA="
K = "rAy2wPD+HQeNkxP4eQNAIzMi/7s="
K_ENCODED = "rAy2wPD%2BHQeNkxP4eQNAIzMi%2F7s%3D"
MINTED = "AAECAwQFBgcICQoLDA0ODxAREhM="
DEVICE = "5f2b1f1e-93cc-4a0f-8f4d-2f8f3bd0d1c5"

BROWSER = (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
CRAWLER = (b"User-Agent", b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
DOCUMENT = ((b"Accept", b"text/html,*/*;q=0.8"), (b"Sec-Fetch-Dest", b"document"))
FROM_BLOG = ((b"Referer", b"https://www.acme-blog.example/post"),)
PASTED = ((b"Sec-Fetch-Site", b"none"),)
HTML = ((b"Content-Type", b"text/html"),)


def counting(length: int) -> bytes:
    return bytes(range(length))


def site(**tables: Any) -> dict[str, Any]:
    """A site of KISSmetrics, of Mixpanel if ``mixpanel`` is given."""
    hosts = (SHOP, BLOG, "*.partner.example")
    return {
        "name": "acme",
        "kissmetrics": {"api_key": KEY},
        "domain": [{"host": host, "upstream": "http://127.0.0.1:1"} for host in hosts],
        **tables,
    }


RIVAL = {"name": "rival", "kissmetrics": {"api_key": "f" * 40}, "domain": [{"host": OTHER_SITE}]}
BOTH: dict[str, Any] = {"mixpanel": {"token": TOKEN}}
ONLY_MIXPANEL: dict[str, Any] = {"mixpanel": {"token": TOKEN}, "kissmetrics": None}
FORM = {"path": "/subscribe", "event": "Subscribed"}
NOT_MINTING: dict[str, Any] = {"identity": {"mint": False}}


def engine(**tables: Any) -> Engine:
    """An engine for that site, and for another one beside it."""
    return _engine(json.dumps(tables))


@cache
def _engine(tables: str) -> Engine:
    sites = Sites(load({"site": [site(**json.loads(tables)), RIVAL]}))
    return Engine(sites, lambda: NOW, counting)


def ask(
    target: str = "/",
    *extra: tuple[bytes, bytes],
    cookie: str = "",
    host: str = SHOP,
    method: str = "GET",
    scheme: str = "https",
    agent: tuple[bytes, bytes] = BROWSER,
    document: Headers = DOCUMENT,
) -> Request:
    """What a browser sends for a page."""
    cookies = ((b"Cookie", cookie.encode("latin-1")),) if cookie else ()
    headers = ((b"Host", host.encode()), agent, *document, *cookies, *extra)
    return Request(method, scheme, host, target.encode("latin-1"), headers)


def arrive(request: Request, **tables: Any) -> Arrival:
    found = engine(**tables).arrive(request)
    assert found is not None
    return found


def through(departure: Departure, body: bytes, chunk: int = 0) -> bytes:
    """The body as it leaves."""
    assert departure.rewriter is not None
    size = chunk or max(len(body), 1)
    pieces = [departure.rewriter.write(body[at : at + size]) for at in range(0, len(body), size)]
    return b"".join(pieces) + departure.rewriter.finish()


def answer(arrival: Arrival) -> Response:
    assert arrival.answer is not None, "no answer at once"
    return arrival.answer


def location(arrival: Arrival) -> str:
    return first(answer(arrival).headers, b"location").decode("latin-1")


def written(headers: Headers) -> dict[str, str]:
    """Name to decoded value of the cookies that are set."""
    return jar(values(headers, b"set-cookie"))


def jar(set_cookies: list[bytes] | tuple[bytes, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in set_cookies:
        parsed: SimpleCookie = SimpleCookie(line.decode("ascii"))
        found.update({name: unquote(morsel.value) for name, morsel in parsed.items()})
    return found


def km(anonymous: str = "", named: str = "") -> str:
    """The Cookie header of a visitor whom KISSmetrics knows."""
    said = {"km_ai": anonymous, "km_ni": named}
    return "; ".join(f"{name}={quote(value, safe='')}" for name, value in said.items() if value)


def rules(arrival: Arrival) -> list[tuple[str, str, str]]:
    return [(note.what, note.provider, note.why) for note in arrival.notes]


def browser(cookie: str, set_cookies: Iterable[bytes]) -> dict[str, str]:
    """Name to decoded value of what the browser holds that sent ``cookie`` and got these."""
    held = jar([cookie.encode()] if cookie else [])
    for line in set_cookies:
        [(name, value)] = jar([line]).items()
        held[name] = value
        if b"; Max-Age=0;" in line:
            del held[name]
    return held


def send(body: str, *extra: tuple[bytes, bytes], target: str = "/subscribe", **more: Any) -> Request:
    """What a browser sends for a form of the page's own host."""
    length = (b"Content-Length", b"%d" % len(body.encode()))
    kind = (b"Content-Type", b"application/x-www-form-urlencoded")
    return ask(target, kind, length, *extra, **{"method": "POST", **more})


def submit(
    arrival: Arrival, body: str, *headers: tuple[bytes, bytes], status: int = 200
) -> tuple[Arrival, Departure]:
    """``respond`` to a form whose ``body`` came through whole, if it was to be read."""
    if arrival.form is not None:
        arrival.form.take(body.encode())
        arrival.form.end()
    response = Response(status, b"Reason", headers)
    said, response = engine().heed(arrival, response)
    said = engine().submit(arrival, said, status)
    return said, engine().depart(said, response)


def respond(arrival: Arrival, *headers: tuple[bytes, bytes], status: int = 200) -> tuple[Arrival, Departure]:
    """The arrival after what the response's headers say, and how that response leaves."""
    response = Response(status, b"Reason", headers)
    heard, response = engine().heed(arrival, response)
    return heard, engine().depart(heard, response)
