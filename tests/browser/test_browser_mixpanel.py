"""Mixpanel's own SDK in the pages: whom does it say the visitor is?"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Page

from browser.identity import identity
from browser.proxy import Proxy
from browser.sites import PLAIN, Pair
from browser.vendors import Vendors

pytestmark = pytest.mark.usefixtures("sdk")

Said = tuple[str, str, str | None]
"""An event's ``distinct_id``, ``$device_id`` and ``$user_id``."""


def _open(visitor: BrowserContext, host: str) -> Page:
    page = visitor.new_page()
    page.goto(f"http://{host}/story.html")
    _wait_for_sdk(page)
    return page


def _wait_for_sdk(page: Page) -> None:
    page.wait_for_function("window.loadedAs")


def _click_over(page: Page, host: str) -> None:
    page.click("#over")
    page.wait_for_url(f"http://{host}/story.html")
    _wait_for_sdk(page)


def _reload(page: Page) -> None:
    page.reload()
    _wait_for_sdk(page)


def _track(page: Page, calls: Vendors) -> Said:
    """Whom an event sent by the SDK now is of."""
    event = f"event {uuid4()}"
    page.evaluate("event => mixpanel.track(event)", event)
    properties = calls.wait("sdk", event).properties
    return properties["distinct_id"], properties["$device_id"], properties.get("$user_id")


def _identify(page: Page, calls: Vendors, name: str) -> dict[str, Any]:
    """``mixpanel.identify(name)``; what the SDK then says to the vendor."""
    page.evaluate("name => mixpanel.identify(name)", name)
    return calls.wait("sdk", "$identify", distinct_id=name).properties


def _device(visitor: BrowserContext, page: Page) -> str:
    device = identity(visitor, page.url).device
    assert device
    return device


def test_the_sdk_takes_the_identity_that_came_with_the_very_first_page(
    visitor: BrowserContext, pair: Pair, calls: Vendors
) -> None:
    page = visitor.new_page()
    answer = page.goto(f"http://{pair.first}/story.html")
    assert answer is not None
    device = _device(visitor, page)
    assert device in (answer.header_value("set-cookie") or "")
    _wait_for_sdk(page)
    assert page.evaluate("loadedAs") == f"$device:{device}"
    first = calls.wait("sdk", "page viewed", device=device).properties
    assert first["distinct_id"] == f"$device:{device}"
    assert _track(page, calls) == (f"$device:{device}", device, None)
    assert _device(visitor, page) == device


def test_an_anonymous_visitor_is_one_device_on_both_domains(
    visitor: BrowserContext, pair: Pair, calls: Vendors
) -> None:
    page = _open(visitor, pair.first)
    here = _track(page, calls)
    _click_over(page, pair.second)
    assert _track(page, calls) == here
    _reload(page)
    assert _track(page, calls) == here
    _click_over(page, pair.first)
    assert _track(page, calls) == here


def test_a_visitor_known_to_both_domains_becomes_the_device_of_the_first(
    visitor: BrowserContext, calls: Vendors
) -> None:
    there = _track(_open(visitor, PLAIN.second), calls)
    page = _open(visitor, PLAIN.first)
    here = _track(page, calls)
    assert here != there
    _click_over(page, PLAIN.second)
    assert _track(page, calls) == here


def test_a_visitor_identified_on_the_first_domain_is_that_user_on_the_second(
    visitor: BrowserContext, pair: Pair, calls: Vendors
) -> None:
    name = f"ada@{pair.name}"
    page = _open(visitor, pair.first)
    device = _device(visitor, page)
    said = _identify(page, calls, name)
    assert said["$anon_distinct_id"] == f"$device:{device}"
    assert _track(page, calls) == (name, device, name)
    _reload(page)
    _click_over(page, pair.second)
    distinct_id, device_there, user = _track(page, calls)
    assert (distinct_id, user) == (name, name)
    _reload(page)
    assert _track(page, calls) == (name, device_there, name)


def test_a_device_that_has_crossed_stays_itself_when_its_user_is_known(
    visitor: BrowserContext, pair: Pair, calls: Vendors, kmproxy: Proxy
) -> None:
    name = f"grace@{pair.name}"
    page = _open(visitor, pair.first)
    device = _device(visitor, page)
    _click_over(page, pair.second)
    _click_over(page, pair.first)
    _identify(page, calls, name)
    _reload(page)
    _click_over(page, pair.second)
    assert _track(page, calls) == (name, device, name)
    kmproxy.wait_until_delivered()
    (joined,) = calls.sent("mixpanel", "$identify", distinct_id=name)
    assert joined.properties["$device_id"] == device
    assert joined.properties["$user_id"] == name


def test_a_click_before_the_next_page_takes_the_device_which_is_the_users(
    visitor: BrowserContext, calls: Vendors
) -> None:
    page = _open(visitor, PLAIN.first)
    device = _device(visitor, page)
    _identify(page, calls, f"edith@{PLAIN.name}")
    _click_over(page, PLAIN.second)
    assert _track(page, calls) == (f"$device:{device}", device, None)


def test_a_login_after_the_crossing_joins_the_device_of_the_first_domain(
    visitor: BrowserContext, pair: Pair, calls: Vendors
) -> None:
    name = f"joan@{pair.name}"
    page = _open(visitor, pair.first)
    device = _device(visitor, page)
    _click_over(page, pair.second)
    said = _identify(page, calls, name)
    assert said["$anon_distinct_id"] == f"$device:{device}"
    assert (said["$device_id"], said["$user_id"]) == (device, name)
    _reload(page)
    _click_over(page, pair.first)
    assert _track(page, calls) == (name, device, name)


def test_what_the_sdk_has_registered_survives_an_arrival(visitor: BrowserContext, calls: Vendors) -> None:
    there = _open(visitor, PLAIN.second)
    plan = 'M\u00fc + 1 = "2"; %20'
    there.evaluate("plan => mixpanel.register({plan})", plan)
    page = _open(visitor, PLAIN.first)
    device = _device(visitor, page)
    _click_over(page, PLAIN.second)
    page.evaluate("mixpanel.track('still registered')")
    said = calls.wait("sdk", "still registered", device=device).properties
    assert said["plan"] == plan


def test_an_open_page_of_the_other_domain_follows_an_arrival_in_another_tab(
    visitor: BrowserContext, calls: Vendors
) -> None:
    open_there = _open(visitor, PLAIN.second)
    page = _open(visitor, PLAIN.first)
    _click_over(page, PLAIN.second)
    assert _track(open_there, calls) == _track(page, calls)


def test_a_visitor_who_logs_out_is_somebody_new_on_both_domains(
    visitor: BrowserContext, calls: Vendors
) -> None:
    page = _open(visitor, PLAIN.first)
    _click_over(page, PLAIN.second)
    before = _track(page, calls)
    page.evaluate("mixpanel.reset()")
    after = _track(page, calls)
    assert after[1] != before[1]
    _reload(page)
    _click_over(page, PLAIN.first)
    assert _track(page, calls) == after


def test_two_visitors_at_once_are_two_devices_on_both_domains(
    visitor: BrowserContext, stranger: BrowserContext, calls: Vendors
) -> None:
    pages = [_open(context, PLAIN.first) for context in (visitor, stranger)]
    before = [_track(page, calls) for page in pages]
    assert before[0] != before[1]
    for page in pages:
        page.evaluate("document.querySelector('#over').click()")
    for page in pages:
        page.wait_for_url(f"http://{PLAIN.second}/story.html")
        _wait_for_sdk(page)
    assert [_track(page, calls) for page in pages] == before
