"""What would become of a page, told with its reasons."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from kmproxy.engine import Engine
from kmproxy.explain import link, reasons, visit
from kmproxy.explain.facts import Decision, Page
from kmproxy.explain.settings import Settings
from kmproxy.explain.watch import watch
from kmproxy.messages import Headers, Response, without
from kmproxy.pages.scanner import LATE_BASE
from kmproxy.visit import Arrival, Departure

HTML: Headers = ((b"Content-Type", b"text/html"),)


def explain_page(
    settings: Settings, engine: Engine, arrival: Arrival, response: Response, source: str
) -> Page:
    """What becomes of ``response``, whose body is decoded, to ``arrival``."""
    response = response._replace(headers=without(response.headers, frozenset({b"content-encoding"})))
    heard, said = engine.heed(arrival, response)
    heard = engine.submit(arrival, heard, response.status)
    departure = engine.depart(heard, said)
    decisions = [visit.decision(settings, heard, note) for note in heard.notes[len(arrival.notes) :]]
    links = link.of_headers(settings, heard, said, departure)
    left_alone = _left_alone(settings, heard, departure, response.body)
    if left_alone is None:
        outcomes, notes = watch(heard.domain.site, heard.host, heard.origin, response.body)
        links += [link.of_page(settings, heard, outcome, response.body) for outcome in outcomes]
        if LATE_BASE in notes:
            decisions.append(Decision("page", "", LATE_BASE, reasons.LATE_BASE))
    return Page(
        arrival.origin.removesuffix("/") + arrival.target.decode("latin-1"),
        source,
        heard.seen.query.decode(),
        left_alone,
        tuple(links),
        tuple(decisions),
        visit.cookies([value for value in heard.cookies if value not in arrival.cookies]),
        visit.calls(heard.calls[len(arrival.calls) :]),
    )


def explain_click(settings: Settings, engine: Engine, arrival: Arrival, url: str) -> Page:
    """What becomes of a plain link to ``url`` on the page that ``arrival`` asks for."""
    response = Response(200, b"OK", HTML, f'<a href="{escape(url)}">'.encode("utf-8", "replace"))
    page = explain_page(settings, engine, arrival, response, "the link that was clicked")
    return replace(page, links=tuple(replace(one, line=0) for one in page.links))


def _left_alone(settings: Settings, arrival: Arrival, departure: Departure, body: bytes) -> Decision | None:
    """Why the whole page leaves as it came."""
    if departure.rewriter is not None:
        departure.rewriter.write(body)
        departure.rewriter.finish()
        reason = departure.rewriter.left_alone
        return _decision(reason) if reason else None
    for note in departure.notes:
        return visit.decision(settings, arrival, note)
    if arrival.seen.is_known:
        return _decision("no-page")
    return next(iter(visit.refusals(settings, arrival)), _decision("nobody"))


def _decision(reason: str) -> Decision:
    return Decision("left-alone", "", reason, reasons.LEFT_ALONE[reason])
