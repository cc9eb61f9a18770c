"""Debian's Chromium, for which every host name is kmproxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, sync_playwright

_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Headless, it calls itself HeadlessChrome, which is a crawler's word. A switch, for what a
# browser context says of itself comes too late for a tab that a click opens.
_PERSON = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

PATIENCE = 30.0
"""Seconds until what a test waits for in the browser is a failure."""


@contextmanager
def running(executable: str, port: int, ports: Mapping[str, int] | None = None) -> Iterator[Browser]:
    """A browser in which ``http://any.host/`` is ``port`` of this machine, and an address itself.

    ``ports`` are those of hosts that are elsewhere on this machine.
    """
    known = "".join(f"MAP {host} 127.0.0.1:{there}, " for host, there in (ports or {}).items())
    rules = f"{known}MAP * 127.0.0.1:{port}, EXCLUDE 127.0.0.1"
    args = [*_ARGS, f"--user-agent={_PERSON}", f"--host-resolver-rules={rules}"]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=args) as browser,
    ):
        yield browser


@contextmanager
def visiting(browser: Browser) -> Iterator[BrowserContext]:
    """A new visitor: a browser profile of its own."""
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE * 1000)
        yield context
