"""The engine: what happens to a request that arrives and to a response that departs.

Pure: no I/O, and the clock and the randomness are given. The doors (proxy, ASGI, WSGI,
aiohttp) carry out what it says, so that they can't differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial

from kmproxy import arriving, caching, compressing, departing, hearing, submitting
from kmproxy.asked import FIELDS, asked, read
from kmproxy.identity.provider import Randomness
from kmproxy.identity.word import HEADERS, Word, words
from kmproxy.links.hosts import bare_host
from kmproxy.messages import Headers, Request, Response, names, pick, without
from kmproxy.site import Sites
from kmproxy.visit import Arrival, Departure, Note

# What may stand in a Location: a path on this host, and nothing that a browser would drop from
# within an URL (tabs, line ends: WHATWG URL §4.4) or that would end the header.
_WITH_QUERY = re.compile(rb"/[^\x00-\x20\x7f]*\?[^\x00-\x20\x7f]*")

_AHEAD = Note("rejected", "", "prefetch")


class Engine:
    """All decisions for all sites. ``clock`` gives Unix seconds, ``randomness`` bytes."""

    def __init__(self, sites: Sites, clock: Callable[[], float], randomness: Randomness) -> None:
        self._sites = sites
        self._clock = clock
        self._randomness = randomness
        # The engine's own, so that nothing keeps the sites of a configuration that is gone.
        self._asked = lru_cache(maxsize=2048)(partial(asked, lru_cache(maxsize=1024)(read)))

    def arrive(self, request: Request, *, recording: bool = True) -> Arrival | None:
        """What to do with ``request``; None where its host is no domain of any site (421).

        Without ``recording`` (tracking calls can't be stored now) nobody is identified and
        the URL is left to the page's own JavaScript: nothing is promised that could be lost.
        """
        domain = self._sites.find(bare_host(request.host))
        if domain is None:
            return None
        site, headers = domain.site, request.headers
        asked = self._asked(site, request.method, pick(headers, FIELDS))
        arrival = Arrival(request, domain, headers, request.target, asked, asked.seen)
        if asked.is_navigation:
            if recording and b"?" in request.target and _WITH_QUERY.fullmatch(request.target):
                arrival = self._follow(arrival)
            if arrival.answer:
                return arrival
            if site.mint and arrival.seen.is_new_to_some and not asked.is_prefetch:
                arrival = arriving.mint(arrival, self._randomness)
        if site.forms:
            arrival = submitting.begin(arrival)
        return compressing.ask_plain(arrival.going_on(arriving.for_upstream(arrival)))

    def _follow(self, arrival: Arrival) -> Arrival:
        """The visitor identified from the URL, and the URL made clean."""
        found = arriving.read_parameters(arrival)
        if found is None:
            return arrival
        mode = arrival.domain.site.arrival.url
        if arrival.asked.refusal:
            arrival = arrival._replace(notes=(Note("rejected", "", arrival.asked.refusal),))
        elif arrival.asked.is_prefetch:
            if mode == "redirect":
                return _not_ahead(arrival)
            arrival = arrival._replace(notes=(_AHEAD,))
        else:
            arrival = arriving.identify(arrival, found, self._clock(), self._randomness)
        if mode == "redirect":
            return arrival._replace(answer=arriving.redirect(found.clean, arrival.cookies))
        return arrival._replace(target=found.clean) if mode == "inline" else arrival

    def hear(self, arrival: Arrival, said: Iterable[Word]) -> Arrival:
        """``arrival`` after what the app says of its visitor: cookies, calls and notes are added.

        Nothing happens to a visitor who is not to be followed.
        """
        return hearing.hear(arrival, said, self._clock(), self._randomness)

    def heed(self, arrival: Arrival, response: Response) -> tuple[Arrival, Response]:
        """``hear`` what the response's headers say, and the response without them; ``depart`` comes next."""
        if not names(response.headers).holds(HEADERS):
            return arrival, response
        heard = self.hear(arrival, words(response.headers))
        return heard, response._replace(headers=without(response.headers, HEADERS))

    def submit(self, arrival: Arrival, said: Arrival, status: int) -> Arrival:
        """``said``, the arrival after the app's words, with what its tracked form does by the answer."""
        return submitting.finish(arrival, said, status, self._clock(), self._randomness)

    def depart(self, arrival: Arrival, response: Response) -> Departure:
        """What to do with the upstream's ``response`` to ``arrival``."""
        status, headers = response.status, response.headers
        body = departing.body(status, headers)
        leads_away = False
        if body.leads:
            headers = departing.decorated_headers(arrival, response)
            leads_away = headers != response.headers
            if leads_away:
                headers = caching.unstored(headers)
                body = departing.body(status, headers)
        if status == 304:
            return Departure(_with_cookies(departing.not_modified(arrival, headers), arrival.cookies))
        if not body.is_page:
            return Departure(_with_cookies(headers, arrival.cookies + arrival.minted * leads_away))
        if not arrival.seen.is_known:
            return Departure(_with_cookies(caching.vary_on_cookie(headers), arrival.cookies))
        if body.left_alone:
            notes = (Note("left-alone", "", body.left_alone),)
            return Departure(_with_cookies(headers, arrival.cookies + arrival.minted), notes=notes)
        return _personal(arrival, status, headers, body)


def _not_ahead(arrival: Arrival) -> Arrival:
    """A page fetched ahead would be shown later without its arrival ever having happened.

    Browsers drop a prefetch that fails and ask again at the click.
    """
    answer = arriving.plain_answer(
        503, b"Service Unavailable", "Not ahead of the click.", arrival.request.method
    )
    return arrival._replace(answer=answer, notes=(_AHEAD,))


def _personal(arrival: Arrival, status: int, headers: Headers, body: departing.Body) -> Departure:
    """A page made for this visitor."""
    made = compressing.coding(arrival, status, headers)
    is_head = arrival.request.method == "HEAD"
    rewriter = None if is_head else departing.rewriter(arrival, headers, body.coding, made)
    left = compressing.encoded(caching.personal(headers, arrival.mark, body.privacy), made)
    return Departure(_with_cookies(left, arrival.cookies + arrival.minted), rewriter)


def _with_cookies(headers: Headers, cookies: tuple[bytes, ...]) -> Headers:
    if not cookies:
        return headers
    return (*caching.private(headers), *((b"Set-Cookie", value) for value in cookies))
