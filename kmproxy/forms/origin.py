"""Where a form was sent from: one on somebody else's page must not say who our visitor is.

Fetch Metadata (W3C, ``Sec-Fetch-Site``) where the browser sends it, which it does by https; else Origin
and Referer.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from kmproxy.identity.scope import registrable_domain
from kmproxy.messages import Headers, first


def is_cross_site(headers: Headers, host: str) -> bool:
    """Whether a POST to ``host`` came from another site, and so without the visitor's cookies.

    Between two domains of one configured site, too: browsers keep ``SameSite=Lax`` cookies back there, and
    whoever comes without them looks like a new visitor.
    """
    said = first(headers, b"sec-fetch-site")
    if said:
        return said == b"cross-site"
    page = first(headers, b"origin") or first(headers, b"referer")
    return bool(page) and not _same_site(_host(page), host)


def is_from_page(headers: Headers, is_own: Callable[[str], bool]) -> bool:
    """Whether a GET came from a page of a host that ``is_own``: a URL is pasted and shared as well."""
    if first(headers, b"sec-fetch-site") in (b"same-origin", b"same-site"):
        return True
    return is_own(_host(first(headers, b"referer")))


def _same_site(one: str, other: str) -> bool:
    domain = registrable_domain(one)
    return one == other or (domain is not None and domain == registrable_domain(other))


def _host(url: bytes) -> str:
    """``""`` where there is none, as in an Origin of ``null``."""
    try:
        return urlsplit(url.decode("latin-1")).hostname or ""
    except ValueError:
        return ""
