"""Mixpanel's own SDK, set or used in other ways: where it keeps what, who opted out, a second project."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import BrowserContext, Page

from browser.identity import identity
from browser.proxy import Proxy
from browser.sites import LOCAL, PLAIN, SUBDOMAINS
from browser.vendors import Vendors

pytestmark = pytest.mark.usefixtures("sdk")


def _open(visitor: BrowserContext, host: str, **settings: Any) -> Page:
    page = visitor.new_page()
    page.add_init_script(f"window.ownSettings = {json.dumps(settings)}")
    _go(page, f"http://{host}/story.html")
    return page


def _go(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_function("window.loadedAs")


def _next(page: Page) -> None:
    """Another page of this host, by a click."""
    page.evaluate("() => { location.search = 'next'; }")
    page.wait_for_url("**/story.html?next")
    page.wait_for_function("window.loadedAs")


def _decorated(page: Page) -> str:
    return str(page.get_attribute("#over", "href"))


def _device(page: Page) -> str:
    return str(page.evaluate("mixpanel.get_distinct_id()"))


def test_a_visitor_who_comes_back_another_day_is_the_same_device_on_both_domains(
    visitor: BrowserContext,
) -> None:
    page = _open(visitor, LOCAL.first)
    device = _device(page)
    page.click("#over")
    page.wait_for_url(f"http://{LOCAL.second}/story.html")
    page.close()
    for host in LOCAL:
        assert _device(_open(visitor, host)) == device


def test_a_shared_link_makes_nobody_the_one_who_shared_it(
    visitor: BrowserContext, stranger: BrowserContext
) -> None:
    shared = _decorated(_open(visitor, LOCAL.first))
    assert "distinct_id=" in shared
    page = stranger.new_page()
    _go(page, shared)
    assert page.url == f"http://{LOCAL.second}/story.html"
    assert _device(page) == f"$device:{identity(stranger, page.url).device}"
    assert _device(page) not in unquote(shared)
    known = _device(page)
    _go(page, shared)
    assert _device(page) == known


def test_subdomains_are_one_device_and_their_links_stay_as_they_are(visitor: BrowserContext) -> None:
    page = _open(visitor, SUBDOMAINS.first)
    device = _device(page)
    assert _decorated(page) == f"http://{SUBDOMAINS.second}/story.html"
    page.click("#over")
    page.wait_for_url(f"http://{SUBDOMAINS.second}/story.html")
    page.wait_for_function("window.loadedAs")
    assert _device(page) == device
    assert _decorated(page) == f"http://{SUBDOMAINS.first}/story.html"


def test_an_id_that_the_sdk_keeps_in_local_storage_is_not_replaced_by_one_of_ours_on_each_page(
    visitor: BrowserContext, kmproxy: Proxy
) -> None:
    refused = kmproxy.count("kmproxy_decisions_total", 'why="cookie-not-kept"')
    page = _open(visitor, PLAIN.first, persistence="localStorage")
    device = _device(page)
    assert identity(visitor, page.url).device is None
    _next(page)
    assert _device(page) == device
    assert identity(visitor, page.url).device is None
    assert "kmi=" in _decorated(page)
    assert "distinct_id=" not in _decorated(page)
    assert kmproxy.count("kmproxy_decisions_total", 'why="cookie-not-kept"') == refused + 1


@pytest.mark.parametrize("kept_in", ["cookie", "localStorage"])
def test_who_opts_out_of_mixpanel_is_given_no_device_and_taken_nowhere(
    visitor: BrowserContext, kept_in: str
) -> None:
    page = _open(visitor, PLAIN.first, opt_out_tracking_persistence_type=kept_in)
    assert "distinct_id=" in _decorated(page)
    page.evaluate("mixpanel.opt_out_tracking()")
    _next(page)
    assert "distinct_id=" not in _decorated(page)
    assert "kmi=" in _decorated(page)
    assert identity(visitor, page.url).device is None


def test_who_opted_out_in_a_cookie_and_arrives_stays_unknown(
    visitor: BrowserContext, calls: Vendors, kmproxy: Proxy
) -> None:
    page = _open(visitor, PLAIN.second, opt_out_tracking_persistence_type="cookie")
    page.evaluate("mixpanel.opt_out_tracking({clear_persistence: false})")
    assert identity(visitor, page.url).device
    _go(page, f"http://{PLAIN.second}/story.html?distinct_id=opted-out&kmi=opted-out")
    assert page.url == f"http://{PLAIN.second}/story.html"
    found = identity(visitor, page.url)
    assert (found.km_ni, found.distinct_id) == ("opted-out", None)
    kmproxy.wait_until_delivered()
    assert calls.sent("kissmetrics", "/a", _n="opted-out")
    assert not calls.sent("mixpanel", "$identify", distinct_id="opted-out")


def test_a_second_project_on_the_page_keeps_its_own_device(visitor: BrowserContext) -> None:
    there = _open(visitor, PLAIN.second)
    start = "settings => mixpanel.init('second', settings, 'second').get_distinct_id()"
    own = there.evaluate(start, {"persistence": "cookie", "api_host": f"http://{PLAIN.second}/nowhere"})
    before = _device(there)
    page = _open(visitor, PLAIN.first)
    page.click("#over")
    page.wait_for_url(f"http://{PLAIN.second}/story.html")
    page.wait_for_function("window.loadedAs")
    assert _device(page) != before
    kept = {cookie["name"]: cookie["value"] for cookie in visitor.cookies(page.url)}["mp_second_mixpanel"]
    assert json.loads(unquote(kept))["distinct_id"] == own
