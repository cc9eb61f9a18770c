"""Subdomains: one cookie and no parameter by default, tracked apart if the page's JavaScript does so.

Source: "Tracking Multiple Domains" (``KM_COOKIE_DOMAIN``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest
from engine_kit import HTML, KEY, TOKEN, jar, through

from kmproxy.config import load
from kmproxy.engine import Engine
from kmproxy.identity import cookies as cookie
from kmproxy.identity.scope import covers
from kmproxy.messages import Request, Response, values
from kmproxy.site import Sites

WWW, BLOG, APEX, SHOP = "www.acme.example", "blog.acme.example", "acme.example", "www.shop.example"
HOSTS = (WWW, BLOG, APEX, SHOP)
APART: dict[str, Any] = {"identity": {"cookie_domain": WWW}}


class Browser:
    """Cookies by the Domain they were written to, sent where they belong; a page's links as they come."""

    def __init__(self, *sites: dict[str, Any]) -> None:
        numbers = iter(range(256))
        config = load({"site": list(sites)})
        self._engine = Engine(Sites(config), lambda: 1.0, lambda size: bytes([next(numbers)]) * size)
        self._held: dict[tuple[str, str], str] = {}

    def visit(self, host: str, query: str = "", referer: str = "") -> str:
        """The page of ``host`` with a link to each of the hosts, as it reaches the visitor."""
        headers = [(b"User-Agent", b"Mozilla/5.0 Firefox/128.0"), (b"Sec-Fetch-Dest", b"document")]
        headers += [(b"Referer", f"https://{referer}/".encode())] if referer else []
        headers += [(b"Cookie", self._cookies(host).encode())]
        arrival = self._engine.arrive(Request("GET", "https", host, f"/{query}".encode(), tuple(headers)))
        assert arrival is not None
        if arrival.answer:
            self._keep(values(arrival.answer.headers, b"set-cookie"))
            return self.visit(host, referer=referer)
        departure = self._engine.depart(arrival, Response(200, b"OK", HTML))
        self._keep(values(departure.headers, b"set-cookie"))
        return through(departure, "".join(f'<a href="https://{to}/">' for to in HOSTS).encode()).decode()

    def who(self, host: str) -> str:
        """What ``KM.i()`` says on ``host``: of two cookies of the name, the older one counts."""
        return cookie.read([self._cookies(host).encode()])["km_ai"].decode()

    def _cookies(self, host: str) -> str:
        return "; ".join(
            f"{name}={quote(value, safe='')}"
            for (name, scope), value in self._held.items()
            if covers(scope, host)
        )

    def _keep(self, set_cookies: Iterable[bytes]) -> None:
        for line in set_cookies:
            [(name, value)] = jar([line]).items()
            self._held[name, line.partition(b"Domain=")[2].partition(b";")[0].decode()] = value


def site(*hosts: str, name: str = "acme", **tables: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kissmetrics": {"api_key": KEY},
        "domain": [{"host": host} for host in hosts],
        **tables,
    }


def led(page: str) -> set[str]:
    """The hosts to which the page's links carry the visitor."""
    return {host for host in HOSTS if f'"https://{host}/?' in page}


@pytest.mark.parametrize("tables", [{}, {"mixpanel": {"token": TOKEN}}])
def test_subdomains_of_one_registrable_domain_share_the_cookie_and_are_not_decorated(
    tables: dict[str, Any],
) -> None:
    visitor = Browser(site(*HOSTS, **tables))
    assert led(visitor.visit(WWW)) == {SHOP}
    assert led(visitor.visit(BLOG)) == led(visitor.visit(APEX)) == {SHOP}
    assert visitor.who(WWW) == visitor.who(BLOG) == visitor.who(APEX)
    assert led(visitor.visit(SHOP)) == {WWW, BLOG, APEX}


def test_with_a_cookie_domain_a_subdomain_is_tracked_apart() -> None:
    visitor = Browser(site(*HOSTS, **APART))
    visitor.visit(WWW)
    visitor.visit(BLOG)
    assert visitor.who(WWW) != visitor.who(BLOG)
    assert visitor.who(BLOG) == visitor.who(APEX)


def test_and_its_links_to_the_others_of_the_site_are_decorated() -> None:
    visitor = Browser(site(*HOSTS, **APART))
    page = visitor.visit(WWW)
    assert led(page) == {BLOG, APEX, SHOP}
    query = page.partition(f'"https://{BLOG}/')[2].partition('"')[0]
    visitor.visit(BLOG, query, referer=WWW)
    assert visitor.who(BLOG) == visitor.who(WWW)


def test_subdomains_of_two_sites_are_apart_and_never_exchange_identities() -> None:
    visitor = Browser(site(WWW, **APART), site(BLOG, SHOP, name="rival", identity={"cookie_domain": BLOG}))
    page = visitor.visit(WWW)
    assert led(page) == set()
    assert led(visitor.visit(BLOG)) == {SHOP}
    assert visitor.who(WWW) != visitor.who(BLOG)
    before = visitor.who(BLOG)
    visitor.visit(BLOG, f"?kmi={visitor.who(WWW)}", referer=WWW)
    assert visitor.who(BLOG) == before
