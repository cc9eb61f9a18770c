"""What a request's fields tell of who asks and what for, whatever URL is asked for.

A browser says the same with each of a page's requests, so it is found out once for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from kmproxy.acquaintance import Acquaintance, Seen
from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies
from kmproxy.identity.crawlers import is_crawler
from kmproxy.identity.navigation import is_navigation, is_prefetch, is_shown
from kmproxy.messages import Headers, first, values
from kmproxy.site import Site

FIELDS = frozenset(
    {b"cookie", b"user-agent", b"dnt", b"sec-gpc", b"sec-fetch-dest", b"x-requested-with", b"accept"}
    | {b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"}
)
"""The names of the fields that tell it (in lower case)."""


class Asked(NamedTuple):
    """Who asks, and what for."""

    jar: Cookies
    refusal: str | None
    """Why the visitor is not to be followed, or None."""

    seen: Acquaintance
    """Nobody where the visitor is not to be followed."""

    is_navigation: bool
    is_prefetch: bool
    for_page: bool
    """Whether the answer will be shown as a page: by itself, in a frame, or put in place by a script."""


def asked(site: Site, method: str, fields: Headers) -> Asked:
    """What the ``fields`` tell on a ``site``."""
    jar = cookie.read(values(fields, b"cookie"))
    refusal = refused(site, fields, jar)
    # Each vendor's visitor, unless they have opted out of that one.
    followed = [Seen(p, p.read(jar)) for p in site.providers if not refusal and p.opted_out(jar) is None]
    navigation = is_navigation(method, fields)
    return Asked(
        jar, refusal, Acquaintance(followed), navigation, is_prefetch(fields), is_shown(method, fields)
    )


def refused(site: Site, headers: Headers, jar: Cookies) -> str | None:
    """Why this visitor is not to be followed, or None."""
    if is_crawler(first(headers, b"user-agent")):
        return "crawler"
    return site.consent.refusal(headers, jar)
