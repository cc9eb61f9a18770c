"""Metrics for Prometheus: counts by fixed words, never by identity."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge

from kmproxy.admin.exposition import GONE
from kmproxy.admin.tally import Seconds, Tally
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.site import Domain
from kmproxy.visit import Arrival, Departure

Place = tuple[str, str, int]
"""Site, domain, and which of its upstreams: the labels of one."""

_arrived_at: ContextVar[float] = ContextVar("arrived_at")
"""When the request came that this task answers."""


class Metrics:
    """An observer that counts."""

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
        self._tally = Tally()
        self._counts = self._tally.counts

        # A counter is looked up by its labels' names and values; the ones asked for always are kept.
        self._response = cache(lambda site, hundreds: self._responses.labels(site, f"{hundreds}xx"))
        self._requests_to = cache(self._requests.labels)
        self._seconds_of = cache(self._seconds.labels)
        self._pages_of = cache(self._pages.labels)
        self._seen_on = cache(self._seen.labels)
        self._decorated_on = cache(self._decorated.labels)
        self._skipped_on = cache(self._skipped.labels)

    def hand_over(self) -> None:
        """Bring the registry up to date: what was counted on the way of requests is added now."""
        self._tally.hand_over()

    def arrived(self, arrival: Arrival) -> None:
        _arrived_at.set(time.perf_counter())
        self._counts[self._requests_to(arrival.domain.site.name)] += 1
        for note in arrival.notes:
            self._decisions.labels(arrival.domain.site.name, *note).inc()

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        site = arrival.domain.site.name
        self._counts[self._response(site, status // 100)] += 1
        self._tally.durations[self._seconds_of(site)].add(time.perf_counter() - _arrived_at.get())
        for note in departure.notes:
            self._decisions.labels(site, *note).inc()

    def page_done(self, arrival: Arrival, rewriter: PageRewriter) -> None:
        site, counts = arrival.domain.site.name, self._counts
        counts[self._pages_of(site, "template" if rewriter.was_known else "anew")] += 1
        counts[self._seen_on(site)] += rewriter.decorated + sum(rewriter.skipped.values())
        counts[self._decorated_on(site)] += rewriter.decorated
        for why, count in rewriter.skipped.items():
            counts[self._skipped_on(site, why)] += count
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
