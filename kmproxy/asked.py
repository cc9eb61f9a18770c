"""What a request's fields tell of who asks and what for, whatever URL is asked for.

A browser says the same with each of a page's requests, so it is found out once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kmproxy.acquaintance import Acquaintance, Seen
from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies
from kmproxy.identity.crawlers import is_crawler
from kmproxy.identity.navigation import is_navigation, is_prefetch, is_shown
from kmproxy.messages import Headers, first, values
from kmproxy.pages.codings import SUPPORTED
from kmproxy.site import Site

FIELDS = frozenset(
    {b"cookie", b"user-agent", b"dnt", b"sec-gpc", b"sec-fetch-dest", b"x-requested-with", b"accept"}
    | {b"sec-purpose", b"purpose", b"x-purpose", b"x-moz", b"accept-encoding"}
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

    codings: bytes
    """What a page is asked for in, of what is offered, so that it can be read; ``b""`` where all can."""


Read = Callable[[Site, tuple[bytes, ...]], tuple[Cookies, Acquaintance]]
"""As ``read``, which may remember: other fields change, where the cookies stay."""


def read(site: Site, lines: tuple[bytes, ...]) -> tuple[Cookies, Acquaintance]:
    """The cookies, and the visitor as each vendor knows it of whom they have not opted out."""
    jar = cookie.read(lines)
    return jar, Acquaintance(Seen(p, p.read(jar)) for p in site.providers if p.opted_out(jar) is None)


def asked(read: Read, site: Site, method: str, fields: Headers) -> Asked:
    """What the ``fields`` tell on a ``site``."""
    jar, seen = read(site, tuple(values(fields, b"cookie")))
    refusal = _refusal(site, fields, jar)
    for_page = is_shown(method, fields)
    return Asked(
        jar,
        refusal,
        Acquaintance() if refusal else seen,
        is_navigation(method, fields),
        is_prefetch(fields),
        for_page,
        _readable(b",".join(values(fields, b"accept-encoding"))) if for_page else b"",
    )


def _refusal(site: Site, headers: Headers, jar: Cookies) -> str | None:
    """Why this visitor is not to be followed, or None."""
    if is_crawler(first(headers, b"user-agent")):
        return "crawler"
    return site.consent.refusal(headers, jar)


def _readable(offered: bytes) -> bytes:
    codings = [coding for part in offered.lower().split(b",") if (coding := part.strip())]
    known = [coding for coding in codings if coding.partition(b";")[0].strip() in SUPPORTED]
    return b"" if known == codings else b", ".join(known) or b"identity"
