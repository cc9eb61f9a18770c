"""The sites of the tests, and where their pages lead."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """Two domains of one site."""

    first: str
    second: str

    @property
    def name(self) -> str:
        return self.first.rpartition(".")[2]


PLAIN = Pair("www.blog.test", "shop.example")
"""No cookie is shared, by plain http: the browser sends no Sec-Fetch-* and offers gzip and deflate alone."""

LOCAL = Pair("blog.localhost", "shop.localhost")
"""Trustworthy to the browser, as https is: Sec-Fetch-*, br and zstd."""

SDK_DOMAINS = {
    "www.acme.com": "acme.com",
    "acme.com": "acme.com",
    "a.b.acme.org": "acme.org",
    "shop.acme.co.uk": "acme.co.uk",
    "acme.io": "acme.io",
    "www.acme.io": "acme.io",
    "sub.acme.info": "acme.info",
    "sub.acme.travel": "acme.travel",
    "my-shop.acme.com.au": "acme.com.au",
    "www.t.co": "www.t.co",
    "xn--mnchen-3ya.de": "xn--mnchen-3ya.de",
    "shop.acme.xn--p1ai": "",
    "intranet": "",
}
"""The domain of the cookie that Mixpanel's SDK writes, by host; ``""``: the host alone."""

HOSTS: dict[str, tuple[str, ...]] = {"plain": PLAIN, "local": LOCAL, "elsewhere": tuple(SDK_DOMAINS)}
"""The hosts of each site."""

SUBDOMAINS = Pair("www.acme.com", "acme.com")
"""Two domains of one site, which share their cookies."""

OTHER = {pair[here]: pair[1 - here] for pair in (PLAIN, LOCAL, SUBDOMAINS) for here in (0, 1)}
"""Where the pages of a host lead."""
