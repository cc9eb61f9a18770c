"""What the engine does with a request, told with its reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from kmproxy import arriving
from kmproxy.engine import Engine
from kmproxy.explain import reasons
from kmproxy.explain.facts import Answer, Call, Cookie, Decision, Known
from kmproxy.explain.settings import Settings
from kmproxy.identity import cookies as cookie
from kmproxy.identity.visitor import GUARDED, Evidence, Kind, State
from kmproxy.messages import first, without
from kmproxy.tracking import TrackingCall
from kmproxy.visit import Arrival, Note

_EVIDENCE = {
    Evidence.YES: "the click came from another domain of the site: the Referer names it",
    Evidence.DOUBT: "where the click came from is in doubt: there is no Referer",
    Evidence.NO: "the Referer names no other domain of the site that the click could have come from",
}
_GATED = frozenset(
    rule.name for rule in GUARDED if rule.kinds == {Kind.ANONYMOUS} and rule.states != {State.NAMED}
)
"""Only an anonymous ID is asked where it comes from, and only by who has no name."""

_TYPED = "the URL was typed, pasted or opened by another program (for a click, say --from PAGE)"


def visitors(settings: Settings, arrival: Arrival) -> tuple[Known, ...]:
    """The visitor as each provider reads them from the cookies, and after the arrival."""
    site, host, jar = arrival.domain.site, arrival.host, arrival.asked.jar
    after = {provider.name: visitor for provider, visitor in arrival.seen}
    return tuple(
        Known(
            provider.name,
            provider.read(jar),
            after.get(provider.name, provider.read(jar)),
            provider.scope(host),
            settings.of_scope(site, provider),
        )
        for provider in site.providers
    )


def decisions(settings: Settings, arrival: Arrival) -> Iterator[Decision]:
    """What was decided, in the engine's own words and in plain ones."""
    reasons_against = refusals(settings, arrival)
    yield from reasons_against
    yield from _kind(settings, arrival)
    if not _GATED.isdisjoint(note.why for note in arrival.notes):
        yield _evidence(arrival)
    told = {(one.provider, one.why) for one in reasons_against}
    for note in arrival.notes:
        if (note.provider, note.why) not in told:
            yield decision(settings, arrival, note)
    site = arrival.domain.site
    if arrival.seen and arrival.seen.is_new_to_some and not site.mint:
        words = "a first-time visitor gets no anonymous ID from kmproxy"
        yield Decision("not-minted", "", "first-visit", words, settings.of_site(site, "identity", "mint"))


def refusals(settings: Settings, arrival: Arrival) -> list[Decision]:
    """Why the visitor is not to be followed, by anybody or by one vendor."""
    site, jar = arrival.domain.site, arrival.asked.jar
    if why := arrival.asked.refusal:
        return [Decision("refused", "", why, reasons.rejected(why), settings.of_refusal(site, why))]
    opted_out = ((provider.name, provider.opted_out(jar)) for provider in site.providers)
    return [Decision("refused", name, why, reasons.rejected(why)) for name, why in opted_out if why]


def _kind(settings: Settings, arrival: Arrival) -> Iterator[Decision]:
    """What kind of request it is, where that matters."""
    site, asked = arrival.domain.site, arrival.asked
    said = arriving.read_parameters(arrival._replace(target=arrival.request.target))
    if not asked.is_navigation:
        words = "no page asked for by itself: nobody is identified, and nobody new gets an ID"
        yield Decision("request", "", "no-navigation", words)
    elif asked.is_prefetch and not any(note.why == "prefetch" for note in arrival.notes):
        yield Decision("request", "", "prefetch", reasons.REFUSALS["prefetch"])
    if said and arrival.answer is None and asked.is_navigation:
        mode = settings.of_site(site, "arrival", "url")
        yield Decision("url", "", str(mode.value), reasons.URLS[str(mode.value)], mode)


def _evidence(arrival: Arrival) -> Decision:
    found = arriving.proof_of_click(arrival)
    typed = found is Evidence.NO and not first(arrival.request.headers, b"referer")
    return Decision("evidence", "", found.value, _TYPED if typed else _EVIDENCE[found])


def decision(settings: Settings, arrival: Arrival, note: Note) -> Decision:
    """A note of the engine's, with the configuration that had it decide so."""
    site = arrival.domain.site
    if note.what == "rejected":
        config = settings.of_refusal(site, note.why)
        return Decision(note.what, note.provider, note.why, reasons.rejected(note.why), config)
    words = {"left-alone": reasons.LEFT_ALONE, "form": reasons.FORMS}.get(note.what, reasons.RULES)
    keys = {"arrival": ("arrival", "policy"), "minted": ("identity", "mint")}.get(note.what)
    config = settings.of_site(site, *keys) if keys else None
    return Decision(note.what, note.provider, note.why, words.get(note.why, note.why), config)


def cookies(always: Iterable[bytes], with_page: Iterable[bytes] = ()) -> tuple[Cookie, ...]:
    """Set-Cookie values made readable; those ``with_page`` go out with a page only."""
    return (*map(_cookie, always), *(_cookie(value, only_with_page=True) for value in with_page))


def _cookie(header: bytes, *, only_with_page: bool = False) -> Cookie:
    pair, *rest = header.decode("latin-1").split("; ")
    said = dict(attribute.partition("=")[::2] for attribute in rest)
    name, _, value = pair.partition("=")
    return Cookie(name, unquote(value), said.get("Domain", ""), int(said["Max-Age"]), only_with_page)


def calls(queued: Iterable[TrackingCall]) -> tuple[Call, ...]:
    """Tracking calls made readable."""
    return tuple(map(_call, queued))


def _call(call: TrackingCall) -> Call:
    parts = urlsplit(call.url)
    endpoint = parts._replace(query="").geturl()
    says: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if call.body:
        says["body"] = json.loads(call.body)
    return Call(call.provider, call.person, call.method, endpoint, says)


def answer(settings: Settings, arrival: Arrival) -> Answer | None:
    """What kmproxy would answer by itself."""
    if arrival.answer is None:
        return None
    location = first(arrival.answer.headers, b"location").decode("latin-1")
    return Answer(arrival.answer.status, location, settings.of_site(arrival.domain.site, "arrival", "url"))


def landed(engine: Engine, arrival: Arrival) -> Arrival | None:
    """The arrival once the browser has followed the redirect; None where there is no page to come."""
    if arrival.answer is None:
        return arrival
    location = first(arrival.answer.headers, b"location")
    if not location:
        return None
    request = arrival.request
    jar = cookie.updated(arrival.asked.jar, arrival.cookies)
    pairs = b"; ".join(b"%b=%b" % (name.encode("latin-1"), value) for name, value in jar.items())
    headers = without(request.headers, frozenset({b"cookie"}))
    if pairs:
        headers = (*headers, (b"Cookie", pairs))
    return engine.arrive(request._replace(target=location, headers=headers))
