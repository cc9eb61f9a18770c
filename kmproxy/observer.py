"""Observers: who wants to know what happened, without having a say in it."""

from __future__ import annotations

from kmproxy.pages.rewriter import PageRewriter
from kmproxy.site import Domain
from kmproxy.visit import Arrival, Departure


class Observer:
    """Told by a door as things happen, on the event loop's thread; must neither block nor raise.

    This one is told of all and does nothing.
    """

    def arrived(self, arrival: Arrival) -> None:
        """A request of one of the sites, decided; its tracking calls are on disk."""

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        """The head of the upstream's response leaves."""

    def page_done(self, arrival: Arrival, rewriter: PageRewriter) -> None:
        """A personal page has left whole."""

    def failed(self, kind: str) -> None:
        """Something went wrong; ``kind`` is a fixed word, such as ``connect-failed``."""

    def upstream_failed(self, domain: Domain, index: int, kind: str) -> None:
        """The domain's upstream of that place (from 0) gave no whole response; ``kind`` as in ``failed``."""

    def upstream_health(self, domain: Domain, index: int, healthy: bool) -> None:
        """Whether that upstream is asked like any other: told at first, and when that may have changed."""

    def sent(self, provider: str, outcome: str) -> None:
        """A tracking call was tried; ``outcome`` is ``delivered``, ``retry``, ``refused`` or ``expired``."""


class Observers(Observer):
    """Several as one."""

    def __init__(self, *observers: Observer) -> None:
        self._all = observers

    def arrived(self, arrival: Arrival) -> None:
        for observer in self._all:
            observer.arrived(arrival)

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        for observer in self._all:
            observer.departed(arrival, status, departure)

    def page_done(self, arrival: Arrival, rewriter: PageRewriter) -> None:
        for observer in self._all:
            observer.page_done(arrival, rewriter)

    def failed(self, kind: str) -> None:
        for observer in self._all:
            observer.failed(kind)

    def upstream_failed(self, domain: Domain, index: int, kind: str) -> None:
        for observer in self._all:
            observer.upstream_failed(domain, index, kind)

    def upstream_health(self, domain: Domain, index: int, healthy: bool) -> None:
        for observer in self._all:
            observer.upstream_health(domain, index, healthy)

    def sent(self, provider: str, outcome: str) -> None:
        for observer in self._all:
            observer.sent(provider, outcome)
