"""Arriving: what an URL with an identity does, and who a visitor without one is."""

from __future__ import annotations

from dataclasses import dataclass

from kmproxy import validators
from kmproxy.acquaintance import IDENTITY_HEADERS
from kmproxy.identity.navigation import comes_from, evidence
from kmproxy.identity.provider import Inbound, Provider, Randomness
from kmproxy.identity.visitor import Decision, Evidence, Visitor
from kmproxy.links import query
from kmproxy.messages import Headers, Response, names, spellings, without
from kmproxy.visit import Arrival, Note

_CLAIMS = spellings(IDENTITY_HEADERS)
_CLAIMS_AND_CONDITIONS = _CLAIMS | validators.CONDITIONS
_ENCODING = frozenset({b"accept-encoding"})

_TEXT = (b"Content-Type", b"text/plain; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of an arriving URL that are the vendors', and the URL without them."""

    said: tuple[query.Parameter, ...]
    clean: bytes
    records: bool
    """Whether kmproxy records the URL's event: else the page's own JavaScript does."""


def read_parameters(arrival: Arrival) -> Parameters | None:
    """What the arriving URL says to the vendors, or None if nothing."""
    site = arrival.domain.site
    by_us = site.arrival.url == "redirect" and site.arrival.events
    # An event needs a person; where none may be made, it stays in the URL for the page's JavaScript.
    recorders = [visitor for provider, visitor in arrival.seen if provider.owns("kme", events=True)]
    records = by_us and (site.mint or all(visitor.identity for visitor in recorders))

    def owned(name: str) -> bool:
        return any(provider.owns(name, events=records) for provider in site.providers)

    clean = query.strip(arrival.target, owned)
    if clean == arrival.target:
        return None
    said = tuple(p for p in query.parameters(arrival.target) if owned(p.name))
    return Parameters(said, clean, records)


def identify(arrival: Arrival, found: Parameters, now: float, randomness: Randomness) -> Arrival:
    """``arrival`` with what the parameters make of the visitor: cookies to set, calls to make."""
    host, jar = arrival.host, arrival.asked.jar
    proof = proof_of_click(arrival)
    secure, is_head = arrival.request.scheme == "https", arrival.request.method == "HEAD"
    arrival = arrival._replace(notes=(*arrival.notes, *_opted_out(arrival, found)))
    for provider, before in arrival.seen:
        pairs = [(p.name, p.value) for p in found.said if provider.owns(p.name, events=found.records)]
        inbound = provider.inbound(pairs)
        decision = _decide(arrival, provider, before, inbound, proof)
        after = _person_for(inbound, provider, decision.visitor, randomness)
        cookies = provider.set_cookies(host, jar, before, after, randomness)
        notes = [Note("rejected", provider.name, reason) for reason in inbound.rejected]
        if after != before and not cookies:
            arrival = arrival._replace(notes=(*arrival.notes, *notes, _too_large(provider)))
            continue
        told = provider.alias(decision, now) + provider.record(after, inbound, jar, now, randomness)
        if decision.rule:
            notes.append(Note("arrival", provider.name, decision.rule))
        if is_head and told:
            notes.append(Note("rejected", provider.name, "head-records-nobody"))
        arrival = arrival._replace(
            seen=arrival.seen.knowing(provider, after),
            cookies=(*arrival.cookies, *(made.header(secure=secure) for made in cookies)),
            calls=(*arrival.calls, *(() if is_head else told)),
            notes=(*arrival.notes, *notes),
        )
    return arrival


def proof_of_click(arrival: Arrival) -> Evidence:
    """Whether the click came from another of the site's domains."""
    site, host = arrival.domain.site, arrival.host
    return evidence(arrival.request.headers, lambda other: site.comes_from(other, host))


def _opted_out(arrival: Arrival, found: Parameters) -> list[Note]:
    """Whose parameters are not heeded, since the visitor has opted out of them."""
    jar = arrival.asked.jar
    reasons = [(provider, provider.opted_out(jar)) for provider in arrival.domain.site.providers]
    return [
        Note("rejected", provider.name, reason)
        for provider, reason in reasons
        if reason and any(provider.owns(p.name, events=found.records) for p in found.said)
    ]


def _decide(
    arrival: Arrival, provider: Provider, before: Visitor, inbound: Inbound, proof: Evidence
) -> Decision:
    if inbound.identity is None:
        return Decision("", before)
    decision = provider.decide(arrival.domain.site.arrival.policy, before, inbound.identity, proof)
    if decision.alias and arrival.request.method == "HEAD":
        # Nobody looks at a HEAD's answer, and an alias can't be undone.
        return Decision("head-joins-nobody", before)
    return decision


def _person_for(inbound: Inbound, provider: Provider, visitor: Visitor, randomness: Randomness) -> Visitor:
    """An event makes a new visitor a person, as ``KM.i()`` does."""
    return provider.mint(randomness) if inbound.records and not visitor.identity else visitor


def mint(arrival: Arrival, randomness: Randomness) -> Arrival:
    """``arrival`` with an anonymous ID from every provider that has none for the visitor.

    Who comes from a page of this host was given one there. If the vendor's JavaScript deleted that
    cookie, it knows the visitor by another ID, or not at all: one more would be one too many.
    """
    jar, secure = arrival.asked.jar, arrival.request.scheme == "https"
    stayed = comes_from(arrival.host, arrival.request.headers)
    for provider, visitor in arrival.seen:
        if visitor.identity:
            continue
        if stayed and provider.keeps_elsewhere:
            arrival = arrival._replace(notes=(*arrival.notes, _not_kept(provider)))
            continue
        made = provider.mint(randomness)
        cookies = provider.set_cookies(arrival.host, jar, visitor, made, randomness)
        if not cookies:
            arrival = arrival._replace(notes=(*arrival.notes, _too_large(provider)))
            continue
        arrival = arrival._replace(
            seen=arrival.seen.knowing(provider, made),
            minted=(*arrival.minted, *(new.header(secure=secure) for new in cookies)),
            notes=(*arrival.notes, Note("minted", provider.name, "first-visit")),
        )
    return arrival


def _too_large(provider: Provider) -> Note:
    return Note("rejected", provider.name, "cookie-too-large")


def _not_kept(provider: Provider) -> Note:
    return Note("rejected", provider.name, "cookie-not-kept")


def redirect(clean: bytes, cookies: tuple[bytes, ...]) -> Response:
    """To the clean URL on the same host: ``//host`` and ``/\\host`` would lead a browser away."""
    location = b"/." + clean if clean[1:2] in (b"/", b"\\") else clean
    headers = ((b"Location", location), (b"Cache-Control", b"no-store"), (b"Content-Length", b"0"))
    return Response(302, b"Found", (*headers, *((b"Set-Cookie", value) for value in cookies)))


def plain_answer(status: int, reason: bytes, text: str, method: str) -> Response:
    """A plain page of one line: the status is clear, and nothing is told but that."""
    body = text.encode() + b"\n"
    headers = (_TEXT, (b"Content-Length", b"%d" % len(body)), (b"Cache-Control", b"no-store"))
    return Response(status, reason, headers, b"" if method == "HEAD" else body)


def for_upstream(arrival: Arrival) -> Headers:
    """The request's headers with our word on who the visitor is, and never anybody else's."""
    asked, headers = arrival.asked, arrival.headers
    if asked.codings:
        headers = (*without(headers, _ENCODING), (b"Accept-Encoding", asked.codings))
    if names(headers).holds(_CLAIMS_AND_CONDITIONS):
        method = arrival.request.method
        headers = validators.for_upstream(method, headers, arrival.mark, page=asked.for_page)
        headers = without(headers, _CLAIMS)
    return (*headers, *arrival.seen.claims)
