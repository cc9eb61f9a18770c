"""Navigation: what a request's headers tell of the click behind it.

Fetch Metadata (W3C, ``Sec-Fetch-*``) where the browser sends it; older browsers are
judged by what they accept.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from kmproxy.identity.crawlers import is_spider
from kmproxy.identity.visitor import Evidence
from kmproxy.messages import Headers, first

_SHOWN = frozenset({b"document", b"iframe", b"frame", b"fencedframe"})


def is_navigation(method: str, headers: Headers) -> bool:
    """Whether a browser or a crawler asks for a page of its own: not a frame, asset or script."""
    if method not in ("GET", "HEAD"):
        return False
    destination = first(headers, b"sec-fetch-dest")
    if destination:
        return destination == b"document"
    if first(headers, b"x-requested-with").lower() == b"xmlhttprequest":
        return False  # a script's request; WebViews give their app's name there
    accepted = first(headers, b"accept").lower()
    if accepted in (b"", b"*/*"):
        # A library that takes anything may be some app's own client, and its URL the app's.
        return is_spider(first(headers, b"user-agent"))
    return b"text/html" in accepted


def is_shown(method: str, headers: Headers) -> bool:
    """Whether the answer will be shown as a page: by itself, in a frame, or put in place by a script."""
    if method not in ("GET", "HEAD"):
        return False
    return first(headers, b"sec-fetch-dest") in _SHOWN or b"text/html" in first(headers, b"accept").lower()


def is_prefetch(headers: Headers) -> bool:
    """Whether the browser fetches or renders ahead of a click that may never come."""
    said = (first(headers, name).lower() for name in (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"))
    return any(b"prefetch" in value or b"preview" in value for value in said)


def evidence(headers: Headers, is_other_domain: Callable[[str], bool]) -> Evidence:
    """Whether the click came from another of the site's domains.

    A Referer that names one is a yes, one that names anybody else a no. Without a Referer,
    ``Sec-Fetch-Site: none`` (typed, pasted, bookmarked, from another program) is a no, and
    anything else a doubt: pages and browsers may withhold the Referer.
    """
    referer = first(headers, b"referer").decode("latin-1")
    if referer:
        return Evidence.YES if is_other_domain(_host(referer)) else Evidence.NO
    return Evidence.NO if first(headers, b"sec-fetch-site") == b"none" else Evidence.DOUBT


def comes_from(host: str, headers: Headers) -> bool:
    """Whether the click was on a page of ``host``, by its Referer."""
    return _host(first(headers, b"referer").decode("latin-1")) == host


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
