"""What would become of one link, told with its reason."""

from __future__ import annotations

from dataclasses import replace

from ada_url import URL

from kmproxy.explain import reasons
from kmproxy.explain.facts import Link, Reference
from kmproxy.explain.settings import Settings
from kmproxy.explain.watch import Outcome
from kmproxy.links import entities
from kmproxy.links.decorate import Skip
from kmproxy.messages import Response, first
from kmproxy.pages.elements import FIELDS
from kmproxy.visit import Arrival, Departure


def of_page(settings: Settings, arrival: Arrival, outcome: Outcome, page: bytes) -> Link:
    """A link that was seen in a page."""
    text, line = _text(outcome.raw), page.count(b"\n", 0, outcome.place) + 1
    url = _resolved(text, outcome.base or arrival.origin)
    told = Link(line, outcome.element, text, url.href if url else "", None)
    if isinstance(outcome.found, Skip):
        return _skipped(settings, arrival, told, url, outcome.found)
    if not outcome.is_listed:
        words, config = _unlisted(settings, arrival, outcome.element)
        return replace(told, why="other-element", words=words, config=config)
    if outcome.kind == FIELDS:
        return _decorated(settings, told, url, arrival.seen.query.decode(), "as hidden inputs")
    becomes = outcome.found.filled(outcome.raw, arrival.seen.query_in_html)
    return _decorated(settings, told, url, _text(becomes))


def of_headers(settings: Settings, arrival: Arrival, response: Response, departure: Departure) -> list[Link]:
    """The URLs that a response's headers lead to."""
    links = []
    for name in ("Location", "Refresh"):
        before, after = (first(head.headers, name.lower().encode()) for head in (response, departure))
        if before:
            links.append(_of_header(settings, arrival, name, before, after))
    return links


def _of_header(settings: Settings, arrival: Arrival, name: str, before: bytes, after: bytes) -> Link:
    site, text = arrival.domain.site, before.decode("latin-1")
    url = _resolved(text, arrival.origin) if name == "Location" else None
    told = Link(0, name, text, url.href if url else "", None)
    if after != before:
        return _decorated(settings, told, url, after.decode("latin-1"))
    if not site.links.redirects:
        config = settings.of_site(site, "links", "redirects")
        return replace(told, why="redirects", words="such headers are not decorated", config=config)
    if not arrival.seen.is_known:
        return replace(told, why="nobody", words=reasons.LEFT_ALONE["nobody"])
    slot = site.slot(arrival.host, arrival.origin, before, in_html=False) if url else None
    return _skipped(settings, arrival, told, url, slot) if isinstance(slot, Skip) else told


def _decorated(settings: Settings, told: Link, url: URL | None, becomes: str, words: str = "") -> Link:
    """It leads to another domain of the site: the one in ``config``."""
    domain = settings.sites.find(_host(url))
    return replace(told, becomes=becomes, words=words, config=settings.of_domain(domain) if domain else None)


def _skipped(settings: Settings, arrival: Arrival, told: Link, url: URL | None, skip: Skip) -> Link:
    site, words, config = arrival.domain.site, reasons.SKIPS[skip], None
    host = _host(url)
    if skip is Skip.SHARED_SCOPE and host != arrival.host:
        scopes = [f"{one.name}'s reaches all of {one.scope(arrival.host)}" for one in site.providers]
        words = f"shares its cookies with this page: {', '.join(scopes)}"
        config = next(filter(None, (settings.of_scope(site, one) for one in site.providers)), None)
    elif skip is Skip.ELSEWHERE and (other := settings.sites.find(host)):
        words = f"leads to another site, {other.site.name}; sites never exchange identities"
        config = settings.of_domain(other)
    elif skip is Skip.OTHER_CLASS:
        config = settings.of_site(site, "links", "only_class")
    return replace(told, why=skip.value, words=words, config=config)


def _unlisted(settings: Settings, arrival: Arrival, element: str) -> tuple[str, Reference]:
    site = arrival.domain.site
    if element == "meta":
        return "a meta refresh is not decorated", settings.of_site(site, "links", "redirects")
    return f"<{element}> is not decorated", settings.of_site(site, "links", "elements")


def _text(raw: bytes) -> str:
    return entities.decode(raw.decode("utf-8", "replace"))[0]


def _resolved(text: str, base: str) -> URL | None:
    try:
        return URL(text, base)
    except ValueError:
        return None


def _host(url: URL | None) -> str:
    return url.hostname.removesuffix(".") if url else ""
