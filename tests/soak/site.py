"""Two domains whose every byte is known: what the upstreams serve, and what a visitor must get."""

from __future__ import annotations

import random
import re
from functools import cache

from bench.pages import made_up

BLOG, SHOP = "blog.example", "shop.example"
OTHER = {BLOG: SHOP, SHOP: BLOG}

PAGES = 40
"""Of each domain, from 2 to 26 KB."""

ASSETS = 12
EVENTS = 8
"""Of an event stream."""

PAUSE = 0.5
"""Seconds between two events, and between the parts of a slow page."""

JOINED = "Joined"
"""The event of the form at ``/join``."""

_NOISE = random.Random(1).randbytes(1 << 20)

_WHO = b"<p>nobody</p>"


@cache
def pieces(host: str, number: int) -> tuple[bytes, ...]:
    """Page ``number`` of ``host``, cut at the end of each URL that leads to the other domain."""
    url = b"https://%b/" % OTHER[host].encode()
    html = made_up(2000 + 611 * number).replace(b"https://site0.test/", url)
    html = html.replace(b"<body>\n", b"<body>\n%b<!-- %b --><script>'%b'</script>\n" % (_WHO, url, url))
    ends = [found.end() for found in re.finditer(b'href="' + re.escape(url) + b'[^"]*', html)]
    starts = [0, *ends]
    return tuple(html[start:end] for start, end in zip(starts, [*ends, len(html)], strict=True))


def page(host: str, number: int, who: str = "nobody", suffix: bytes = b"") -> bytes:
    """It, made for ``who``, each link to the other domain with ``suffix``."""
    return suffix.join(pieces(host, number)).replace(_WHO, b"<p>%b</p>" % who.encode(), 1)


def leads(host: str) -> str:
    """Where that domain's redirect leads."""
    return f"https://{OTHER[host]}/landing"


@cache
def asset(number: int) -> bytes:
    """From 1 to 100 KB."""
    return random.Random(number).randbytes(1000 + 750 * number**2)


def noise(luck: random.Random, size: int) -> bytes:
    """That many bytes, other ones each time; at most 500 KB."""
    start = luck.randrange(len(_NOISE) // 2)
    return _NOISE[start : start + size]


def event(who: str, number: int) -> bytes:
    return f"id: {number}\ndata: {who} {number}\n\n".encode()
