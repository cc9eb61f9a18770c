"""Which domain Mixpanel's SDK writes its cookie to: kmproxy's must be the same one."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import BrowserContext, Route

from browser.identity import MIXPANEL
from browser.sites import SDK_DOMAINS
from browser.vendors import TOKEN
from kmproxy.identity.mixpanel import sdk_domain


def _cookies(visitor: BrowserContext) -> list[tuple[str, str]]:
    """Domain and device of the SDK's cookies, wherever they are."""
    found = [cookie for cookie in visitor.cookies() if cookie["name"] == MIXPANEL]
    return [(cookie["domain"], json.loads(unquote(cookie["value"]))["$device_id"]) for cookie in found]


def _as_a_cookie_has_it(host: str, domain: str) -> str:
    return f".{domain}" if domain else host


def _without_kmproxy(visitor: BrowserContext, sdk: Path) -> None:
    """Any page of any host is an empty one with the SDK."""
    scripts = [(sdk / name).read_text() for name in ("mixpanel-jslib-snippet.min.js", "mixpanel.min.js")]
    start = f"MIXPANEL_CUSTOM_LIB_URL = 'data:,'; {scripts[0]}; mixpanel.init('{TOKEN}');"
    page = f"<script>{start}</script><script>{scripts[1]}</script>"

    def fulfill(route: Route) -> None:
        route.fulfill(body=page, content_type="text/html")

    visitor.route("**/*", fulfill)


@pytest.mark.parametrize(("host", "domain"), SDK_DOMAINS.items())
def test_the_sdk_writes_its_cookie_where_kmproxy_thinks_it_does(
    visitor: BrowserContext, sdk: Path, host: str, domain: str
) -> None:
    _without_kmproxy(visitor, sdk)
    visitor.new_page().goto(f"http://{host}/")
    ((written, _),) = _cookies(visitor)
    assert written == _as_a_cookie_has_it(host, domain)
    assert sdk_domain(host) == domain


@pytest.mark.parametrize("host", ["acme.github.io", "www.acme.avocat.fr", "acme.s3.amazonaws.com"])
def test_where_browsers_refuse_the_sdks_cookie_kmproxy_knows_it(
    visitor: BrowserContext, sdk: Path, host: str
) -> None:
    _without_kmproxy(visitor, sdk)
    visitor.new_page().goto(f"http://{host}/")
    assert _cookies(visitor) == []
    assert sdk_domain(host) == ""


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize(("host", "domain"), SDK_DOMAINS.items())
def test_kmproxy_and_the_sdk_write_one_cookie(visitor: BrowserContext, host: str, domain: str) -> None:
    page = visitor.new_page()
    page.goto(f"http://{host}/")  # a page without the SDK: the cookie is kmproxy's
    ((minted_in, device),) = _cookies(visitor)
    page.goto(f"http://{host}/story.html")
    page.wait_for_function("window.loadedAs")
    assert _cookies(visitor) == [(minted_in, device)]
    assert minted_in == _as_a_cookie_has_it(host, domain)
