"""URLs as a log may keep them: without the identities that are known, and without the vendors' parameters.

Text in which something is hidden deeper than can be looked is left out whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import unquote

from kmproxy.identity import cookies as cookie
from kmproxy.identity.kissmetrics import KissmetricsProvider
from kmproxy.identity.mixpanel import MixpanelProvider
from kmproxy.identity.visitor import Visitor
from kmproxy.messages import Headers, values
from kmproxy.site import Site
from kmproxy.visit import Arrival

REDACTED = "[redacted]"

LONGEST = 1024
"""Characters of a URL that are kept."""

_VENDORS = (KissmetricsProvider("", ""), MixpanelProvider("", "", "simplified"))
_SEALED = "_km"
_DEEPEST = 6
"""Times that a text is decoded: a URL in a parameter of a URL, and again."""

_SHORT = 4
"""Characters of an identity below which it is only found as a whole: each number would hold a "7"."""

_NAMES = re.compile(r"[?&;#]([^=?&;#]*)=")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


def url(raw: bytes, known: Collection[str] = ()) -> str:
    """A request target or a URL, ``[redacted]`` where it tells of a visitor; ``known`` as ``identities``."""
    secrets = frozenset(map(_normal, known))
    text = raw.decode("utf-8", "replace")
    path, query = _split(text)
    written = "/".join(_safe(part, secrets) for part in path.split("/"))
    if query:
        written += query[0] + "&".join(_pair(pair, secrets) for pair in query[1:].split("&"))
    # An identity may hold a "/" or a "&" and stand there undivided.
    return REDACTED if any(_holds(form, secrets) for form in _forms(written)) else _cut(written)


def text(said: str, known: Collection[str] = ()) -> str:
    """Something short, such as a host: all of it or ``[redacted]``."""
    return _cut(_safe(said, frozenset(map(_normal, known))))


def identities(arrival: Arrival, leaving: Headers = ()) -> set[str]:
    """All that a visitor is known by, before and after: by the cookies that come and those ``leaving``."""
    site = arrival.domain.site
    found = in_cookies(site, values(arrival.request.headers, b"cookie"))
    for made in (*arrival.cookies, *arrival.minted, *values(leaving, b"set-cookie")):
        found |= in_cookies(site, [made.partition(b";")[0]])
    return found | _names(visitor for _, visitor in arrival.seen)


def in_cookies(site: Site, headers: Iterable[bytes]) -> set[str]:
    """All that a visitor is known by in Cookie headers."""
    jar = cookie.read(headers)
    return _names(provider.read(jar) for provider in site.providers)


def _names(visitors: Iterable[Visitor]) -> set[str]:
    found = {identity or "" for visitor in visitors for identity in (visitor.anonymous, visitor.named)}
    bare = {identity.rpartition(":")[2] for identity in found if identity.startswith("$device:")}
    return (found | bare) - {""}


def _split(target: str) -> tuple[str, str]:
    """The path, and the rest with the ``?`` or ``#`` before it."""
    ends = min((at for mark in "?#" if (at := target.find(mark)) >= 0), default=len(target))
    return target[:ends], target[ends:]


def _pair(pair: str, secrets: frozenset[str]) -> str:
    name, equals, value = pair.partition("=")
    is_vendors = any(_names_vendors(form + "=") for form in _forms(name))
    return _safe(name, secrets) + equals + (REDACTED if is_vendors else _safe(value, secrets))


def _safe(part: str, secrets: frozenset[str]) -> str:
    return REDACTED if part and _tells(part, secrets) else part


def _tells(part: str, secrets: frozenset[str]) -> bool:
    """Whether ``part`` holds a vendor's parameter or an identity, or what can't be looked into."""
    form = part
    for form in _forms(part):
        if _holds(form, secrets) or _names_vendors(form):
            return True
    return bool(_ESCAPE.search(form))


def _holds(form: str, secrets: frozenset[str]) -> bool:
    plain = _normal(form)
    return any(secret == plain or (len(secret) >= _SHORT and secret in plain) for secret in secrets)


def _forms(text: str) -> Iterable[str]:
    """The text, and what it may be decoded to."""
    yield text
    for _ in range(_DEEPEST):
        if "%" not in text or (decoded := unquote(text)) == text:
            return
        text = decoded
        yield text


def _names_vendors(form: str) -> bool:
    """Whether a vendor's parameter is in there; links are escaped once too often, too: ``&amp;kmi=``."""
    return any(map(_is_vendors, _NAMES.findall("?" + form)))


@lru_cache(maxsize=4096)
def _is_vendors(name: str) -> bool:
    # The vendors know no other case; who got a URL into one has not made the identity in it less of one.
    name = _normal(name).strip()
    return name == _SEALED or any(vendor.owns(name, events=True) for vendor in _VENDORS)


def _normal(text: str) -> str:
    """One form for all that stands for it: a ``+`` may be a space."""
    return text.replace("+", " ").casefold()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
