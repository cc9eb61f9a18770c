"""The question put to the engine."""

from __future__ import annotations

import difflib
from dataclasses import replace

from kmproxy.engine import Engine
from kmproxy.errors import KmproxyError
from kmproxy.explain import visit
from kmproxy.explain.facts import Explanation, Page
from kmproxy.explain.fetch import fetch
from kmproxy.explain.pages import explain_page
from kmproxy.explain.question import Html, Question, QuestionError, browser_request, read_url
from kmproxy.explain.settings import Settings
from kmproxy.links.hosts import bare_host
from kmproxy.messages import Headers, Request, Response
from kmproxy.upstream import Timeouts
from kmproxy.visit import Arrival

MOMENT = 1704067200.0
"""2024-01-01T00:00:00Z: when all of it happens."""

_HTML: Headers = ((b"Content-Type", b"text/html"),)


class UnknownHostError(KmproxyError):
    """The URL's host is no domain of any site: it would be answered with 421."""


async def explain(settings: Settings, question: Question) -> Explanation:
    """All that would happen.

    Raises UnknownHostError, QuestionError, and what a fetch does: UpstreamError, CodingError.
    """
    engine = Engine(settings.sites, lambda: MOMENT, _same_bytes)
    arrival = _arrive(settings, engine, question.request)
    told = _told(settings, question, arrival)
    return replace(told, pages=tuple(await _pages(settings, engine, question, arrival)))


def _same_bytes(length: int) -> bytes:
    return bytes(at % 256 for at in range(length))


def _arrive(settings: Settings, engine: Engine, request: Request) -> Arrival:
    arrival = engine.arrive(request)
    if arrival is None:
        hosts = [domain.host for site in settings.sites.all for domain in site.domains]
        near = difflib.get_close_matches(bare_host(request.host), hosts, n=1, cutoff=0.0)
        raise UnknownHostError(
            f"{bare_host(request.host)} is no domain of any site, so it would be answered with 421;"
            f" the nearest one is {near[0]}"
        )
    return arrival


def _told(settings: Settings, question: Question, arrival: Arrival) -> Explanation:
    request, domain = arrival.request, arrival.domain
    return Explanation(
        request.method,
        question.url,
        tuple((name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in request.headers),
        settings.of_site(domain.site, "name"),
        settings.of_domain(domain),
        domain.upstreams,
        visit.visitors(settings, arrival),
        tuple(visit.decisions(settings, arrival)),
        visit.cookies(arrival),
        visit.calls(arrival),
        visit.answer(settings, arrival),
        arrival.target.decode("latin-1"),
    )


async def _pages(settings: Settings, engine: Engine, question: Question, arrival: Arrival) -> list[Page]:
    pages = []
    if question.page or (question.fetch and not question.came_from):
        landed = visit.landed(engine, arrival)
        if landed is None:
            raise QuestionError("there is no page: kmproxy answers this request by itself")
        pages.append(await _page(settings, engine, landed, question.page))
    if question.came_from_page or (question.fetch and question.came_from):
        asked = _before_the_click(question)
        pages.append(await _page(settings, engine, _arrive(settings, engine, asked), question.came_from_page))
    return pages


def _before_the_click(question: Question) -> Request:
    """The request for the page of the click: the same browser, with the same cookies."""
    own = {b"host", b"referer", b"sec-fetch-site"}
    given = tuple(pair for pair in question.request.headers if pair[0].lower() not in own)
    return browser_request("GET", read_url(question.came_from), given)


async def _page(settings: Settings, engine: Engine, arrival: Arrival, html: Html | None) -> Page:
    if html is not None:
        return explain_page(settings, engine, arrival, Response(200, b"OK", _HTML, html.content), html.name)
    server = settings.config.server
    timeouts = Timeouts(server.connect_timeout, server.first_byte_timeout, server.idle_timeout)
    return explain_page(settings, engine, arrival, await fetch(arrival, timeouts), "the upstream")
