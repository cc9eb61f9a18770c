"""The scanner alone, in this process: kmproxy's beside lol-html's, over the corpus."""

from __future__ import annotations

import importlib
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from kmproxy.config import Config
from kmproxy.pages.scanner import State
from kmproxy.site import Sites

from .cases import HOST
from .install import LOL_HTML
from .pages import SIZES, corpus, made_up

LINKED, UNLINKED = "linked", "unlinked"

_CHUNK = 1 << 16
_LINK = b'<a href="https://shop.example/welcome">Welcome</a>'
_CONFIG = {
    "site": [
        {
            "name": "bench",
            "kissmetrics": {"api_key": "key"},
            "domain": [{"host": HOST}, {"host": "shop.example"}],
        }
    ]
}

Scan = Callable[[list[bytes]], int]
"""Scan a page's chunks; gives how many links were found to lead to the other domain."""


@dataclass(frozen=True)
class Scanned:
    """Seconds for all pages, and the median of the rounds' ratios."""

    pages: str
    megabytes: float
    kmproxy: float
    lol_html: float
    ratio: float
    fault: str = ""


def measure(rounds: int) -> list[Scanned]:
    """Pages with a link to the other domain, and pages without; in turn."""
    pages = [html for _, html in corpus()] or [made_up(length) for length, _ in SIZES.values()]
    pages = [page for page in pages if b"shop.example" not in page and HOST.encode() not in page]
    linked = [_chunks(_with_link(page)) for page in pages]
    unlinked = [_chunks(page) for page in pages]
    ours = kmproxy_scan()
    return [
        _compare(LINKED, linked, rounds, ours, lol_html_scan("a[href]")),
        _compare(UNLINKED, unlinked, rounds, ours, lol_html_scan('a[href*="shop.example"]')),
    ]


def kmproxy_scan() -> Scan:
    """kmproxy's scanner with a site's rules, as a departing page has it."""
    site = Sites(Config.model_validate(_CONFIG)).all[0]

    scanner = site.scanner(HOST)

    def scan(chunks: list[bytes]) -> int:
        page = b"".join(chunks)
        if scanner.leads_nowhere(page):
            return 0
        walked = scanner.walk(State(base=f"https://{HOST}/"), page, final=True)
        return len(walked.pieces) - 1

    return scan


def lol_html_scan(selector: str) -> Scan:
    """lol-html with a handler that decorates what ``selector`` finds."""
    if str(LOL_HTML) not in sys.path:
        sys.path.append(str(LOL_HTML))
    lolhtml: Any = importlib.import_module("lolhtml")

    class Handler:
        found = 0

        def element(self, element: Any) -> None:
            href = element.get_attribute("href")
            if href.startswith("https://shop.example/"):
                element.set_attribute("href", href + "?kmi=x")
                self.found += 1

    def scan(chunks: list[bytes]) -> int:
        out: list[bytes] = []
        rewriter, handler = lolhtml.HTMLRewriter(out.append), Handler()
        rewriter.on(selector, handler)
        for chunk in chunks:
            rewriter.write(chunk)
        rewriter.end()
        return handler.found

    return scan


def _with_link(page: bytes) -> bytes:
    body = re.search(rb"<body(?:\s[^>]*)?>", page, re.IGNORECASE)
    place = body.end() if body else 0
    return page[:place] + _LINK + page[place:]


def _chunks(page: bytes) -> list[bytes]:
    return [page[start : start + _CHUNK] for start in range(0, len(page), _CHUNK)]


def _compare(name: str, pages: list[list[bytes]], rounds: int, ours: Scan, theirs: Scan) -> Scanned:
    linked = name == LINKED
    size = sum(len(chunk) for page in pages for chunk in page) / 1e6
    found = [sum(map(scan, pages)) for scan in (ours, theirs)]
    pairs = [(_seconds(ours, pages), _seconds(theirs, pages)) for _ in range(2 * rounds + 1)]
    return Scanned(
        name,
        size,
        median(a for a, _ in pairs),
        median(b for _, b in pairs),
        median(a / b for a, b in pairs),
        "" if found[0] == found[1] and bool(found[0]) == linked else f"found {found[0]} and {found[1]} links",
    )


def _seconds(scan: Scan, pages: list[list[bytes]]) -> float:
    start = time.process_time()
    for page in pages:
        scan(page)
    return time.process_time() - start
