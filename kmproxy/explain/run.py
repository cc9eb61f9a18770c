"""The question put to the engine."""

from __future__ import annotations

import difflib

from kmproxy.engine import Engine
from kmproxy.errors import QuestionError
from kmproxy.explain import visit
from kmproxy.explain.facts import Explanation, Page
from kmproxy.explain.fetch import fetch
from kmproxy.explain.page import HTML, explain_click, explain_page
from kmproxy.explain.question import Question
from kmproxy.explain.settings import Settings
from kmproxy.links.hosts import bare_host
from kmproxy.messages import Response
from kmproxy.upstream import Timeouts
from kmproxy.visit import Arrival

MOMENT = 1704067200.0
"""2024-01-01T00:00:00Z: when all of it happens."""


async def explain(settings: Settings, question: Question) -> Explanation:
    """All that would happen. Raises QuestionError, and what a fetch does: UpstreamError, CodingError."""
    engine = Engine(settings.sites, lambda: MOMENT, _same_bytes)
    arrival = engine.arrive(question.request)
    if arrival is None:
        raise QuestionError(_nobodys(settings, bare_host(question.request.host)))
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
        visit.cookies(arrival.cookies, arrival.minted),
        visit.calls(arrival.calls),
        visit.answer(settings, arrival),
        arrival.target.decode("latin-1"),
        _click(settings, engine, question),
        await _page(settings, engine, question, arrival),
    )


def _same_bytes(length: int) -> bytes:
    return bytes(at % 256 for at in range(length))


def _nobodys(settings: Settings, host: str) -> str:
    hosts = [domain.host for site in settings.sites.all for domain in site.domains]
    near = difflib.get_close_matches(host, hosts, n=1, cutoff=0.0)
    hint = f"; the nearest one is {near[0]}" if near else ""
    return f"{host} is no domain of any site, so it would be answered with 421{hint}"


def _click(settings: Settings, engine: Engine, question: Question) -> Page | None:
    """The link that leads to the URL, where its page is on a domain of a site."""
    arrival = engine.arrive(question.click) if question.click else None
    return explain_click(settings, engine, arrival, question.url) if arrival else None


async def _page(settings: Settings, engine: Engine, question: Question, arrival: Arrival) -> Page | None:
    """The page that the URL is answered with, in the end."""
    if not question.page and not question.fetch:
        return None
    landed = visit.landed(engine, arrival)
    if landed is None:
        raise QuestionError("there is no page: kmproxy answers this request by itself")
    if question.page:
        response = Response(200, b"OK", HTML, question.page.content)
        return explain_page(settings, engine, landed, response, question.page.name)
    server = settings.config.server
    timeouts = Timeouts(server.connect_timeout, server.first_byte_timeout, server.idle_timeout)
    return explain_page(settings, engine, landed, await fetch(landed, timeouts), "the upstream")
