"""The bounds: what must not happen, whoever asks."""

from __future__ import annotations

from ada_url import URL

from kmproxy.demo.browser import Browser
from kmproxy.demo.cast import Cast, identity
from kmproxy.demo.names import BLOG
from kmproxy.demo.walk import expect, expect_equal


async def second_visitor(cast: Cast) -> str:
    await cast.page(cast.second, cast.stage.url(BLOG))
    who = identity(cast.second, BLOG)
    others = (cast.visitor.cookie(BLOG, "km_ai"), "")
    expect("another ID", f"{who}", held=who.kissmetrics not in others)
    return f"is somebody else: {who}"


async def plain_for_crawlers(cast: Cast) -> str:
    crawler = Browser(cast.visitor.session, cast.stage.port, agent="curl/8.0")
    page = await cast.page(crawler, cast.stage.url(BLOG))
    expect_equal("cookies set", (), page.set_cookies)
    expect_equal("links with an ID", [], [url for url in page.links() if "kmi=" in url])
    return "curl gets the page as it is: no ID, no cookies"


async def no_way_out(cast: Cast) -> str:
    url = cast.stage.url(BLOG, "//evil.example/?kmi=x")
    page = await Browser(cast.visitor.session, cast.stage.port).open(url)
    expect_equal("status", 302, page.status)
    expect_equal("host it leads to", BLOG, URL(page.location, url).hostname)
    return f"//evil.example/?kmi=x leads to {page.location} on {BLOG}"


async def unknown_host(cast: Cast) -> str:
    page = await Browser(cast.visitor.session, cast.stage.port).open(cast.stage.url("other.localhost"))
    expect_equal("status", 421, page.status)
    return "other.localhost: 421"
