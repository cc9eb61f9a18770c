"""One nginx, one kmproxy, one stand-in for the vendors and one Chromium for the whole folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import needs
import pytest
from playwright.sync_api import Browser, BrowserContext

from browser import chromium, nginx, pages, proxy, sites, vendors
from browser.proxy import Proxy
from browser.sites import LOCAL, PLAIN, Pair
from browser.vendors import Vendors

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "pages"


@pytest.fixture(scope="package")
def calls() -> Iterator[Vendors]:
    """What the vendors were sent."""
    with vendors.running() as stand_in:
        yield stand_in


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="package")
def origin(folder: Path, calls: Vendors) -> Iterator[str]:
    """nginx itself, with the pages of all sites; it serves the first domain's by its address."""
    sdk = Path(__file__).parent / "node_modules" / "mixpanel-browser" / "dist"
    root = folder / "pages"
    root.mkdir()
    for host in (host for hosts in sites.HOSTS.values() for host in hosts):
        other = sites.OTHER.get(host, PLAIN.second)
        pages.write(root / host, other, calls, sdk if sdk.is_dir() else None)
    if CORPUS.is_dir():
        pages.write_corpus(root / PLAIN.first, PLAIN.second, CORPUS)
    (root / "127.0.0.1").symlink_to(root / PLAIN.first)
    with nginx.running(folder / "nginx", root) as address:
        yield address


@pytest.fixture(scope="package")
def kmproxy(folder: Path, origin: str, calls: Vendors) -> Iterator[Proxy]:
    text = proxy.configuration(folder, sites.HOSTS, origin, calls)
    with proxy.running(needs.command(), folder, text) as running:
        yield running


@pytest.fixture(scope="package")
def browser(kmproxy: Proxy) -> Iterator[Browser]:
    with chromium.running(needs.program("chromium", "chromium"), kmproxy.port) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has been nowhere yet."""
    with chromium.visiting(browser) as context:
        yield context


@pytest.fixture
def stranger(browser: Browser) -> Iterator[BrowserContext]:
    """Somebody else's browser."""
    with chromium.visiting(browser) as context:
        yield context


@pytest.fixture
def sdk() -> Path:
    """Mixpanel's SDK: where it is not, the test is skipped."""
    return needs.sdk()


@pytest.fixture(params=[PLAIN, LOCAL], ids=lambda pair: pair.name)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Two domains of one site, on plain http and where the browser sends Sec-Fetch-*."""
    found: Pair = request.param
    return found
