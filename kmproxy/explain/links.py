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


def page_link(settings: Settings, arrival: Arrival, outcome: Outcome, page: bytes) -> Link:
    text, line = _text(outcome.raw), page.count(b"\n", 0, outcome.place) + 1
    url = _resolved(text, outcome.base or arrival.origin)
    link = Link(line, outcome.element, text, url.href if url else "", None)
    if isinstance(outcome.found, Skip):
        return _skipped(settings, arrival, link, url, outcome.found)
    if not outcome.is_listed:
        words, config = _unlisted(settings, arrival, outcome.element)
        return replace(link, why="other-element", words=words, config=config)
    if outcome.kind == FIELDS:
        return replace(link, becomes=arrival.parameters("&").decode(), words="as hidden inputs")
    raw, slot = outcome.raw, outcome.found
    becomes = raw[: slot.offset] + slot.lead + arrival.parameters("&amp;") + raw[slot.offset :]
    return replace(link, becomes=_text(becomes))


def _text(raw: bytes) -> str:
    return entities.decode(raw.decode("utf-8", "replace"))[0]


def _resolved(text: str, base: str) -> URL | None:
    try:
        return URL(text, base)
    except ValueError:
        return None


def _unlisted(settings: Settings, arrival: Arrival, element: str) -> tuple[str, Reference]:
    site = arrival.domain.site
    if element == "meta":
        return "a meta refresh is not decorated", settings.of_site(site, "links", "redirects")
    return f"<{element}> is not decorated", settings.of_site(site, "links", "elements")


def _skipped(settings: Settings, arrival: Arrival, link: Link, url: URL | None, skip: Skip) -> Link:
    site, words, config = arrival.domain.site, reasons.SKIPS[skip], None
    host = url.hostname.removesuffix(".") if url else ""
    if skip is Skip.SHARED_SCOPE and host != arrival.host:
        scopes = [f"{one.name}'s reaches all of {one.scope(arrival.host)}" for one in site.providers]
        words = f"shares its cookies with this page: {', '.join(scopes)}"
        config = next(filter(None, (settings.of_scope(site, one) for one in site.providers)), None)
    elif skip is Skip.ELSEWHERE and (other := settings.sites.find(host)):
        words = f"leads to another site, {other.site.name}; sites never exchange identities"
        config = settings.of_domain(other)
    elif skip is Skip.OTHER_CLASS:
        config = settings.of_site(site, "links", "only_class")
    return replace(link, why=skip.value, words=words, config=config)


def header_links(
    settings: Settings, arrival: Arrival, response: Response, departure: Departure
) -> list[Link]:
    """The URLs that the page's headers lead to."""
    links = []
    for name in ("Location", "Refresh"):
        before, after = (first(head.headers, name.lower().encode()) for head in (response, departure))
        if before:
            links.append(_header_link(settings, arrival, name, before, after))
    return links


def _header_link(settings: Settings, arrival: Arrival, name: str, before: bytes, after: bytes) -> Link:
    site, text = arrival.domain.site, before.decode("latin-1")
    url = _resolved(text, arrival.origin) if name == "Location" else None
    link = Link(0, name, text, url.href if url else "", None)
    if after != before:
        return replace(link, becomes=after.decode("latin-1"))
    if not site.links.redirects:
        config = settings.of_site(site, "links", "redirects")
        return replace(link, why="redirects", words="such headers are not decorated", config=config)
    if not arrival.is_known:
        return replace(link, why="nobody", words=reasons.LEFT_ALONE["nobody"])
    slot = site.slot(arrival.host, arrival.origin, before, in_html=False) if url else None
    return _skipped(settings, arrival, link, url, slot) if isinstance(slot, Skip) else link
