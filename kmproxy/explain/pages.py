"""What would become of a page, told with its reasons."""

from __future__ import annotations

from dataclasses import replace

from kmproxy.engine import Engine
from kmproxy.explain import reasons, visit
from kmproxy.explain.facts import Decision, Page
from kmproxy.explain.links import header_links, page_link
from kmproxy.explain.settings import Settings
from kmproxy.explain.watch import watch
from kmproxy.messages import Response, without
from kmproxy.pages.scanner import LATE_BASE
from kmproxy.visit import Arrival, Departure


def explain_page(
    settings: Settings, engine: Engine, arrival: Arrival, response: Response, source: str
) -> Page:
    """What becomes of ``response``, whose body is decoded, to ``arrival``."""
    response = response._replace(headers=without(response.headers, {b"content-encoding"}))
    heard, said = engine.heed(arrival, response)
    departure = engine.depart(heard, said)
    url = arrival.origin.removesuffix("/") + arrival.target.decode("latin-1")
    told = [visit.decision(settings, heard, note) for note in heard.notes[len(arrival.notes) :]]
    page = Page(url, source, heard.parameters("&").decode(), decisions=tuple(told))
    links = header_links(settings, heard, said, departure)
    if left_alone := _left_alone(settings, heard, departure, response.body):
        return replace(page, left_alone=left_alone, links=tuple(links))
    outcomes, whole = watch(heard.domain.site, heard.host, heard.origin, response.body)
    links += [page_link(settings, heard, outcome, response.body) for outcome in outcomes]
    if LATE_BASE in whole:
        told.append(Decision("page", "", LATE_BASE, reasons.LATE_BASE))
    return replace(page, links=tuple(links), decisions=tuple(told))


def _left_alone(settings: Settings, arrival: Arrival, departure: Departure, body: bytes) -> Decision | None:
    """Why the whole page leaves as it came."""
    if departure.rewriter is not None:
        departure.rewriter.write(body)
        departure.rewriter.finish()
        reason = departure.rewriter.left_alone
        return _page_decision(reason) if reason else None
    for note in departure.notes:
        return visit.decision(settings, arrival, note)
    if arrival.is_known:
        return _page_decision("no-page")
    told = [decision for decision in visit.decisions(settings, arrival) if decision.what == "refused"]
    return told[0] if told else _page_decision("nobody")


def _page_decision(reason: str) -> Decision:
    return Decision("left-alone", "", reason, reasons.LEFT_ALONE[reason])
