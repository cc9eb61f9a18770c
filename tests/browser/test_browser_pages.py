"""What Chromium makes of a decorated page, beside the page as nginx serves it."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from browser.conftest import CORPUS
from browser.identity import identity
from browser.links import assert_decorated, assert_same_but_for_parameters
from browser.pages import REAL
from browser.sites import LOCAL, PLAIN

LINKS = 13
"""How many links of our own front page lead to the other domain."""


def _check_first_page(visitor: BrowserContext, origin: str, path: str) -> int:
    """The very first page of a visitor at ``path``; the number of its decorated links."""
    personal, plain = visitor.new_page(), visitor.new_page()
    personal.goto(f"http://{PLAIN.first}{path}")
    plain.goto(origin + path)
    count = assert_decorated(personal, identity(visitor, personal.url), PLAIN.second)
    assert_same_but_for_parameters(personal, plain, PLAIN.second)
    return count


def test_the_first_page_has_every_link_decorated_and_nothing_else_changed(
    visitor: BrowserContext, origin: str
) -> None:
    assert _check_first_page(visitor, origin, "/") == LINKS


@pytest.mark.parametrize("name", REAL)
def test_a_real_page_has_every_link_decorated_and_nothing_else_changed(
    visitor: BrowserContext, origin: str, name: str
) -> None:
    if not CORPUS.is_dir():
        pytest.skip("not on this machine: the corpus of pages (../shared/corpus/pages)")
    assert _check_first_page(visitor, origin, f"/corpus/{name}") >= 8


@pytest.mark.parametrize(("path", "coding"), [("/", "gzip"), ("/br/", "br"), ("/zstd/", "zstd")])
def test_a_page_renders_in_every_coding_that_the_browser_offers(
    visitor: BrowserContext, path: str, coding: str
) -> None:
    page = visitor.new_page()
    answer = page.goto(f"http://{LOCAL.first}{path}")
    assert answer is not None
    assert answer.header_value("content-encoding") == coding
    assert coding in (answer.request.all_headers()["accept-encoding"]).split(", ")
    assert assert_decorated(page, identity(visitor, page.url), LOCAL.second) == LINKS


def test_a_page_seen_again_is_decorated_again(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    for _ in range(3):
        page.goto(f"http://{PLAIN.first}/")
        assert assert_decorated(page, identity(visitor, page.url), PLAIN.second) == LINKS


def test_visitors_who_load_pages_at_once_find_only_themselves_in_them(
    visitor: BrowserContext, stranger: BrowserContext
) -> None:
    tabs = [(context, context.new_page()) for _ in range(2) for context in (visitor, stranger)]
    for context in (visitor, stranger):
        context.new_page().goto(f"http://{PLAIN.first}/")
    for turn in range(3):
        url = f"http://{PLAIN.first}/?turn={turn}"
        for _, tab in tabs:
            tab.evaluate("url => { location.href = url; }", url)
        for context, tab in tabs:
            tab.wait_for_url(url)
            assert assert_decorated(tab, identity(context, tab.url), PLAIN.second) == LINKS
    assert identity(visitor, f"http://{PLAIN.first}/") != identity(stranger, f"http://{PLAIN.first}/")
