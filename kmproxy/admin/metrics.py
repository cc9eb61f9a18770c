"""Metrics for Prometheus: counts by fixed words, never by identity."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from kmproxy.admin.exposition import GONE
from kmproxy.admin.tally import Seconds, Tally
from kmproxy.observer import Observer
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.site import Domain
from kmproxy.visit import Arrival, Departure

Place = tuple[str, str, int]
"""Site, domain, and which of its upstreams: the labels of one."""

_arrived_at: ContextVar[float] = ContextVar("arrived_at")
"""When the request came that this task answers."""


class Metrics(Observer):
    """Counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"kmproxy_{name}", text, labels, registry=self.registry)

        self._requests = counter("requests", "Requests for the sites' domains.", "site")
        self._responses = counter("responses", "Responses of upstreams, by status class.", "site", "status")
        self._decisions = counter(
            "decisions", "What was decided of visitors, by rule.", "site", "what", "provider", "why"
        )
        self._pages = counter(
            "pages", "Personal pages that left whole: from a template, or made.", "site", "made"
        )
        self._seen = counter("links_seen", "Links that had to be looked at: decorated or skipped.", "site")
        self._decorated = counter("links_decorated", "Links given the visitor's identity.", "site")
        self._skipped = counter("links_skipped", "Links left as they were, by reason.", "site", "why")
        self._failures = counter("failures", "Faults, by kind.", "kind")
        place = ("site", "domain", "upstream")
        self._faults = counter("upstream_failures", "Faults of upstreams, by kind.", *place, "kind")
        self._health = Gauge(
            "kmproxy_upstream_healthy",
            "1 where an upstream gets its share, 0 if not: with one worker at least.",
            place,
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self._judged: set[Place] = set()
        self._calls = counter("tracking_calls", "Tries to deliver a tracking call.", "provider", "outcome")
        self._seconds = Seconds(
            "kmproxy_response_seconds",
            "From a request to the head of the upstream's response.",
            ("site",),
            registry=self.registry,
            buckets=Seconds.BOUNDS,
        )
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)

    def hand_over(self) -> None:
        """Bring the registry up to date: what was counted on the way of requests is added now."""
        tallies = self._tallies.copy()
        self._tallies.clear()
        for site, tally in tallies.items():
            self._take(site, tally)

    def _take(self, site: str, tally: Tally) -> None:
        self._requests.labels(site).inc(tally.requests)
        for hundreds, count in enumerate(tally.responses):
            if count:
                self._responses.labels(site, f"{hundreds}xx").inc(count)
        self._seconds.labels(site).take(tally.durations, tally.seconds)
        for made, count in (("template", tally.known), ("anew", tally.made)):
            if count:
                self._pages.labels(site, made).inc(count)
        self._seen.labels(site).inc(tally.seen)
        self._decorated.labels(site).inc(tally.decorated)
        for why, count in tally.skipped.items():
            self._skipped.labels(site, why).inc(count)

    def arrived(self, arrival: Arrival) -> None:
        _arrived_at.set(time.perf_counter())
        site = arrival.domain.site.name
        self._tallies[site].requests += 1
        for note in arrival.notes:
            self._decisions.labels(site, *note).inc()

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        site = arrival.domain.site.name
        self._tallies[site].respond(status, time.perf_counter() - _arrived_at.get())
        for note in departure.notes:
            self._decisions.labels(site, *note).inc()

    def page_done(self, arrival: Arrival, rewriter: PageRewriter) -> None:
        site = arrival.domain.site.name
        self._tallies[site].page(rewriter)
        if rewriter.left_alone:
            self._decisions.labels(site, "left-alone", "", rewriter.left_alone).inc()

    def failed(self, kind: str) -> None:
        self._failures.labels(kind).inc()

    def upstream_failed(self, domain: Domain, index: int, kind: str) -> None:
        self._faults.labels(domain.site.name, domain.host, index, kind).inc()

    def upstream_health(self, domain: Domain, index: int, healthy: bool) -> None:
        place = (domain.site.name, domain.host, index)
        self._judged.add(place)
        self._health.labels(*place).set(healthy)

    def upstreams_are(self, domains: Iterable[Domain]) -> None:
        """Judge no other upstreams than those of ``domains`` any more.

        What they were counted for stays: to Prometheus, a counter that goes takes its last steps with it.
        """
        left = {(one.site.name, one.host, index) for one in domains for index in range(len(one.upstreams))}
        for place in self._judged - left:
            self._health.labels(*place).set(GONE)
        self._judged &= left

    def sent(self, provider: str, outcome: str) -> None:
        self._calls.labels(provider, outcome).inc()
