"""A visitor clicks from one domain to the other, types addresses, goes back and forward."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import BrowserContext, Page

from browser import links
from browser.identity import identity
from browser.proxy import Proxy
from browser.sites import LOCAL, PLAIN, Pair
from browser.vendors import Vendors

OVER = "#over"

_SPECULATE = """rules => {
    const script = document.createElement("script");
    script.type = "speculationrules";
    script.textContent = JSON.stringify(rules);
    document.head.append(script);
}"""


def _opened(visitor: BrowserContext, host: str) -> Page:
    page = visitor.new_page()
    page.goto(f"http://{host}/")
    return page


def _click_over(page: Page, host: str) -> None:
    """Click, and wait for the clean URL: with a parameter left in the address bar it never comes."""
    page.click(OVER)
    page.wait_for_url(f"http://{host}/")


def _decorated(page: Page) -> str:
    """Where the link to the other domain leads."""
    return str(page.get_attribute(OVER, "href"))


def test_a_click_takes_the_visitor_to_the_other_domain_and_leaves_a_clean_address(
    visitor: BrowserContext, pair: Pair
) -> None:
    page = _opened(visitor, pair.first)
    here = identity(visitor, page.url)
    assert here.km_ai
    assert here.distinct_id == f"$device:{here.device}"
    _click_over(page, pair.second)
    assert identity(visitor, page.url) == here
    assert page.evaluate("location.href") == f"http://{pair.second}/"


def test_every_link_leads_where_its_author_meant(visitor: BrowserContext, origin: str) -> None:
    plain = visitor.new_page()
    plain.goto(origin)
    meant = links.targets(plain, PLAIN.second)
    assert len(meant) == 12
    page = visitor.new_page()
    for place, url in enumerate(meant):
        page.goto(f"http://{PLAIN.first}/")
        links.click(page, PLAIN.second, place)
        page.wait_for_url(url)


def test_a_visitor_goes_to_and_fro_and_stays_the_same(visitor: BrowserContext, pair: Pair) -> None:
    page = _opened(visitor, pair.first)
    here = identity(visitor, page.url)
    for host in (pair.second, pair.first) * 2:
        _click_over(page, host)
        assert identity(visitor, page.url) == here


def test_a_known_visitor_who_arrives_is_joined_once_whatever_buttons_are_pressed(
    visitor: BrowserContext, pair: Pair, calls: Vendors, kmproxy: Proxy
) -> None:
    there = identity(visitor, _opened(visitor, pair.second).url)
    page = _opened(visitor, pair.first)
    here = identity(visitor, page.url)
    assert there.km_ai != here.km_ai
    _click_over(page, pair.second)
    page.reload()
    page.go_back()
    assert page.url == f"http://{pair.first}/"
    page.reload()
    page.go_forward()
    assert page.url == f"http://{pair.second}/"
    page.reload()
    _click_over(page, pair.first)
    _click_over(page, pair.second)
    assert identity(visitor, f"http://{pair.first}/") == here
    assert identity(visitor, f"http://{pair.second}/") == here
    kmproxy.wait_until_delivered()
    (alias,) = calls.sent("kissmetrics", "/a", _p=there.km_ai)
    assert alias.properties["_n"] == here.km_ai
    assert not calls.sent("kissmetrics", "/a", _p=here.km_ai)


def test_a_new_tab_takes_the_visitor_along(visitor: BrowserContext, pair: Pair) -> None:
    page = _opened(visitor, pair.first)
    with visitor.expect_page() as opened:
        page.click(OVER, modifiers=["Control"])
    opened.value.wait_for_url(f"http://{pair.second}/")
    assert identity(visitor, opened.value.url) == identity(visitor, page.url)


def test_a_link_in_a_page_without_referrers_takes_a_new_visitor_along(
    visitor: BrowserContext, pair: Pair
) -> None:
    page = _opened(visitor, pair.first)
    page.evaluate("selector => { document.querySelector(selector).rel = 'noreferrer'; }", OVER)
    with page.expect_request(f"http://{pair.second}/?*") as asked:
        _click_over(page, pair.second)
    assert "referer" not in asked.value.all_headers()
    assert identity(visitor, page.url) == identity(visitor, f"http://{pair.first}/")


@pytest.mark.parametrize("how", ["prefetch", "prerender"])
def test_a_page_that_the_browser_wants_ahead_of_the_click_is_given_at_the_click(
    visitor: BrowserContext, kmproxy: Proxy, how: str
) -> None:
    before = kmproxy.refused_ahead()
    page = _opened(visitor, LOCAL.first)
    page.evaluate(_SPECULATE, {how: [{"urls": [_decorated(page)], "eagerness": "immediate"}]})
    kmproxy.wait_until_refused_ahead(before + 1)
    _click_over(page, LOCAL.second)
    assert identity(visitor, page.url) == identity(visitor, f"http://{LOCAL.first}/")


def test_a_pasted_address_does_not_make_one_visitor_another(
    visitor: BrowserContext, stranger: BrowserContext
) -> None:
    address = _decorated(_opened(visitor, LOCAL.first))
    page = stranger.new_page()
    with page.expect_request(address) as asked:
        page.goto(address)
    headers = asked.value.all_headers()
    assert headers["sec-fetch-site"] == "none"
    assert "referer" not in headers
    assert page.url == f"http://{LOCAL.second}/"
    pasted, original = identity(stranger, page.url), identity(visitor, f"http://{LOCAL.first}/")
    assert pasted.km_ai not in (None, original.km_ai)
    assert pasted.device not in (None, original.device)


def test_the_same_address_clicked_on_the_other_domain_is_followed(
    visitor: BrowserContext, stranger: BrowserContext
) -> None:
    address = _decorated(_opened(visitor, LOCAL.first))
    page = _opened(stranger, LOCAL.first)
    page.evaluate("([selector, url]) => { document.querySelector(selector).href = url; }", [OVER, address])
    with page.expect_request(address) as asked:
        _click_over(page, LOCAL.second)
    assert asked.value.all_headers()["sec-fetch-site"] == "cross-site"
    assert identity(stranger, page.url) == identity(visitor, f"http://{LOCAL.first}/")


def test_a_decorated_address_on_a_foreign_page_joins_nobody(
    visitor: BrowserContext, stranger: BrowserContext, calls: Vendors, kmproxy: Proxy
) -> None:
    address = _decorated(_opened(visitor, LOCAL.first))
    before = identity(stranger, _opened(stranger, LOCAL.second).url)
    page = _opened(stranger, PLAIN.first)  # a domain of another site
    page.evaluate("([selector, url]) => { document.querySelector(selector).href = url; }", [OVER, address])
    _click_over(page, LOCAL.second)
    assert identity(stranger, page.url) == before
    kmproxy.wait_until_delivered()
    assert not calls.sent("kissmetrics", "/a", _p=before.km_ai)


def test_two_visitors_who_cross_at_once_never_become_each_other(
    visitor: BrowserContext, stranger: BrowserContext, pair: Pair
) -> None:
    tabs = [(context, _opened(context, pair.first)) for context in (visitor, stranger)]
    before = [identity(context, page.url) for context, page in tabs]
    assert before[0] != before[1]
    for host in (pair.second, pair.first, pair.second):
        for _, page in tabs:
            page.evaluate("selector => { document.querySelector(selector).click(); }", OVER)
        for _, page in tabs:
            page.wait_for_url(f"http://{host}/")
        assert [identity(context, page.url) for context, page in tabs] == before


def test_the_vendors_script_reads_one_identity_on_both_domains(visitor: BrowserContext, pair: Pair) -> None:
    page = visitor.new_page()
    page.goto(f"http://{pair.first}/story.html")
    here = page.evaluate("KM.i()")
    assert here == identity(visitor, page.url).km_ai
    page.click(OVER)
    page.wait_for_url(f"http://{pair.second}/story.html")
    assert page.evaluate("KM.i()") == here


def test_what_the_vendors_script_writes_replaces_what_was_there(visitor: BrowserContext, pair: Pair) -> None:
    page = visitor.new_page()
    page.goto(f"http://{pair.first}/story.html")
    before = identity(visitor, page.url)
    scope = ".".join(pair.first.split(".")[-2:])
    name = "Zo\u00eb + K = 1"
    page.evaluate("([name, domain]) => KM.sc('km_ni', name, domain)", [name, scope])
    page.evaluate("([name, domain]) => KM.sc('km_ai', name, domain)", [name, scope])
    assert identity(visitor, page.url) == replace(before, km_ai=name, km_ni=name)
    page.reload()
    page.click(OVER)
    page.wait_for_url(f"http://{pair.second}/story.html")
    assert page.evaluate("KM.i()") == name
    assert identity(visitor, page.url).km_ni == name
