"""Chromium walks from an app with a middleware to a domain behind the reverse proxy, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import needs
import pytest
from browser import chromium, nginx, proxy
from browser.identity import Identity, identity
from browser.sites import LOCAL
from browser.vendors import Vendors
from playwright.sync_api import Browser, BrowserContext, Page

from frameworks.served import UVICORN, Served

BLOG, SHOP = LOCAL
SHOP_PAGE = f'<!DOCTYPE html><title>A shop</title><a id="over" href="http://{BLOG}/">over</a>'


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, calls: Vendors) -> Iterator[Browser]:
    """Both are told of both domains, and share one outbox."""
    folder = tmp_path_factory.mktemp("crossing")
    root = folder / "pages"
    (root / SHOP).mkdir(parents=True)
    (root / SHOP / "index.html").write_text(SHOP_PAGE)
    with nginx.running(folder / "nginx", root) as origin:
        text = proxy.configuration(folder, {LOCAL.name: LOCAL}, origin, calls)
        with proxy.running(needs.command(), folder, text) as shop:
            executable = needs.program("chromium", "chromium")
            with (
                _blog(folder, folder / "kmproxy.toml") as port,
                chromium.running(executable, shop.port, {BLOG: port}) as running,
            ):
                yield running


@contextmanager
def _blog(folder: Path, config: Path) -> Iterator[int]:
    environment = {"KMPROXY_CONFIG": str(config), "OTHER": SHOP, "GATE": str(folder / "gate")}
    served = Served(UVICORN, folder, environment)
    try:
        yield served.port
    finally:
        served.end()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    with chromium.visiting(browser) as context:
        yield context


def _opened(visitor: BrowserContext, host: str) -> Page:
    page = visitor.new_page()
    page.goto(f"http://{host}/")
    return page


def _click_over(visitor: BrowserContext, page: Page, host: str) -> Identity:
    """Who the visitor is at ``host``, once they are there and the address is clean."""
    page.click("#over")
    page.wait_for_url(f"http://{host}/")
    return identity(visitor, page.url)


def test_a_visitor_is_one_person_in_the_app_and_behind_the_proxy(visitor: BrowserContext) -> None:
    page = _opened(visitor, BLOG)
    here = identity(visitor, page.url)
    assert here.km_ai
    assert here.device
    for host in (SHOP, BLOG, SHOP):
        assert _click_over(visitor, page, host) == here


def test_whoever_logs_in_at_the_app_has_their_name_behind_the_proxy(
    visitor: BrowserContext, calls: Vendors
) -> None:
    page = _opened(visitor, BLOG)
    before = identity(visitor, page.url)
    page.evaluate("fetch('/login?name=ada', {method: 'POST'})")
    page.reload()
    there = _click_over(visitor, page, SHOP)
    assert (there.km_ni, there.user) == ("ada", "ada")
    calls.wait("kissmetrics", "/a", _p=before.km_ai, _n="ada")
    assert len(calls.sent("kissmetrics", "/a", _n="ada")) == 1


def test_two_who_were_known_on_both_sides_are_joined_by_the_click(
    visitor: BrowserContext, calls: Vendors
) -> None:
    at_shop = identity(visitor, _opened(visitor, SHOP).url)
    page = _opened(visitor, BLOG)
    at_blog = identity(visitor, page.url)
    assert at_blog.km_ai != at_shop.km_ai
    _click_over(visitor, page, SHOP)
    calls.wait("kissmetrics", "/a", _p=at_shop.km_ai, _n=at_blog.km_ai)
