"""The letter: the steps by which the visitor gets a name."""

from __future__ import annotations

from kmproxy.demo.cast import Cast, Identity, short
from kmproxy.demo.names import ADA, API_KEY, BLOG, SHOP
from kmproxy.demo.walk import expect_equal

_DELIVERY = 3.0
"""Seconds a tracking call has to reach its vendor."""


async def letter(cast: Cast) -> str:
    letter = cast.stage.url(SHOP, "/letter")
    page = await cast.page(cast.visitor, letter)
    link = page.link(cast.stage.url(SHOP, "/?kmi="))
    arrival = await cast.visitor.open(link, source=letter)
    expect_equal("status, Location", (302, "/"), (arrival.status, arrival.location))
    named = Identity(cast.visitor.cookie(SHOP, "km_ni"), cast.visitor.distinct_id(SHOP))
    expect_equal("named", Identity(ADA, ADA), named)
    return f"its link names the visitor {ADA}"


async def alias(cast: Cast) -> str:
    heard = await cast.stage.vendors.wait_for("kissmetrics", "alias", _DELIVERY)
    before = cast.visitor.cookie(SHOP, "km_ai")
    said = heard.said if heard else {}
    expected = {"_k": API_KEY, "_n": ADA, "_p": before}
    expect_equal("alias", expected, {name: said.get(name) for name in expected})
    return f"was told: {heard}"


async def identify(cast: Cast) -> str:
    heard = await cast.stage.vendors.wait_for("mixpanel", "$identify", _DELIVERY)
    said = heard.said if heard else {}
    expected = {"distinct_id": ADA, "$anon_distinct_id": cast.visitor.distinct_id(BLOG)}
    expect_equal("$identify", expected, {name: said.get(name) for name in expected})
    return f"was told: {short(str(heard), 24)} is {ADA}"


async def name_follows(cast: Cast) -> str:
    shop = cast.stage.url(SHOP)
    cast.pages[SHOP] = await cast.page(cast.visitor, shop)
    link = cast.decorated(SHOP, BLOG, Identity(ADA, ADA))
    await cast.visitor.open(link, source=shop)
    page = await cast.page(cast.visitor, cast.stage.url(BLOG))
    shown = Identity(page.shown("kissmetrics"), page.shown("mixpanel"))
    expect_equal("in the panel", Identity(ADA, ADA), shown)
    return f"knows {ADA} too"
