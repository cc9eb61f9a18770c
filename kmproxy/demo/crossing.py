"""There and back: the steps from one domain to the other with one identity."""

from __future__ import annotations

import re
from itertools import zip_longest
from urllib.parse import urlsplit

from kmproxy.demo.browser import Browser
from kmproxy.demo.cast import Cast, Identity, short
from kmproxy.demo.names import BLOG, SHOP
from kmproxy.demo.walk import expect, expect_equal

_UNTOUCHED = re.compile(r"<!--.*?-->|<script>.*?</script>", re.DOTALL)
_ADDED = re.compile(r"(?:\?|&amp;)kmi=[^&\"]*&amp;distinct_id=[^&\"#]*")


async def first_visit(cast: Cast) -> str:
    page = await cast.page(cast.visitor, cast.stage.url(BLOG))
    cast.pages[BLOG] = page
    who = cast.visitor_on(BLOG)
    expect("cookies of both vendors", f"{who}", held=bool(who.kissmetrics and who.mixpanel))
    return f"new visitor {who}"


async def link_to_shop(cast: Cast) -> str:
    link = cast.links[SHOP] = cast.decorated(BLOG, SHOP, cast.visitor_on(BLOG))
    return f"carries both IDs: {short(urlsplit(link).query, 44)}"


async def untouched(cast: Cast) -> str:
    parts = _UNTOUCHED.findall(cast.pages[BLOG].text)
    links = [url for part in parts for url in re.findall(r"href=\"([^\"]*)\"", part)]
    expect_equal("links there", [cast.stage.url(SHOP, "/sale")] * 2, links)
    return "left alone, though links to the shop stand in them"


async def other_bytes(cast: Cast) -> str:
    url = cast.stage.url(BLOG, "/article")
    personal = await cast.page(cast.visitor, url)
    direct = Browser(cast.visitor.session, cast.stage.sites_port, cookies=cast.visitor.cookies)
    plain = await cast.page(direct, url)
    without, count = _ADDED.subn("", personal.text)
    leading = [link for link in plain.links() if link.startswith(cast.stage.url(SHOP, ""))]
    expect_equal("links decorated", len(leading), count)
    expect_equal("the page as the blog sent it", *_first_difference(plain.text, without))
    return f"{count} links grew, the other {len(plain.text)} characters are the blog's own"


async def arrival(cast: Cast) -> str:
    page = await cast.visitor.open(cast.links[SHOP], source=cast.stage.url(BLOG))
    expect_equal("status, Location", (302, "/"), (page.status, page.location))
    expect("cookies for the shop", "no Set-Cookie", held=bool(page.set_cookies))
    return f"302 to {page.location}, with {len(page.set_cookies)} cookies for {SHOP}"


async def one_identity(cast: Cast) -> str:
    blog, shop = cast.visitor_on(BLOG), cast.visitor_on(SHOP)
    expect_equal("the shop's cookies", blog, shop)
    return f"{BLOG} and {SHOP} hold the same IDs"


async def shop_page(cast: Cast) -> str:
    page = await cast.page(cast.visitor, cast.stage.url(SHOP))
    cast.pages[SHOP] = page
    shown = Identity(page.shown("kissmetrics"), page.shown("mixpanel"))
    expect_equal("in the panel", cast.visitor_on(BLOG), shown)
    return f"shows {shown}"


async def link_back(cast: Cast) -> str:
    cast.links[BLOG] = cast.decorated(SHOP, BLOG, cast.visitor_on(SHOP))
    return "carries both IDs"


async def arrival_back(cast: Cast) -> str:
    before = dict(cast.visitor.cookies_of(BLOG))
    page = await cast.visitor.open(cast.links[BLOG], source=cast.stage.url(SHOP))
    expect_equal("status", 302, page.status)
    expect_equal("cookies set", (), page.set_cookies)
    expect_equal("the blog's cookies", before, cast.visitor.cookies_of(BLOG))
    expect_equal("told to the vendors", [], [str(one) for one in cast.stage.vendors.heard])
    return "one's own ID: no cookie set, nothing told to the vendors"


def _first_difference(one: str, other: str) -> tuple[str, str]:
    """Both from where they part; twice the same where they never do."""
    pairs = zip_longest(one, other)
    place = next((place for place, (left, right) in enumerate(pairs) if left != right), len(one))
    return short(one[place:], 40), short(other[place:], 40)
