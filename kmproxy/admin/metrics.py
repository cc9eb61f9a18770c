"""Metrics for Prometheus: counts by fixed words, never by identity."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from kmproxy.outbox import Stats
from kmproxy.pages.rewriter import PageRewriter
from kmproxy.site import Domain
from kmproxy.visit import Arrival, Departure


class Metrics:
    """An observer that counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"kmproxy_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"kmproxy_{name}", text, labels, registry=self.registry)

        self._responses = counter("responses", "Responses of upstreams, by status class.", "site", "status")
        self._decisions = counter(
            "decisions", "What was decided of visitors, by rule.", "site", "what", "provider", "why"
        )
        self._decorated = counter("links_decorated", "Links given the visitor's identity.", "site")
        self._skipped = counter("links_skipped", "Links left as they were, by reason.", "site", "why")
        self._failures = counter("failures", "Faults, by kind.", "kind")
        place = ("site", "domain", "upstream")
        self._faults = counter("upstream_failures", "Faults of upstreams, by kind.", *place, "kind")
        self._health = gauge("upstream_healthy", "1 where an upstream gets its share, 0 if not.", *place)
        self._calls = counter("tracking_calls", "Tries to deliver a tracking call.", "provider", "outcome")
        self._waiting = gauge("outbox_waiting", "Tracking calls not delivered yet.")
        self._set_apart = gauge("outbox_set_apart", "Tracking calls refused for good and kept.")
        self._fullness = gauge("outbox_fullness", "Share of the outbox's room in use; from 1 on it refuses.")
        self._oldest = gauge("outbox_oldest_seconds", "Age of the oldest call not delivered yet.")

        # A counter is looked up by its labels' names and values; the ones asked for always are kept.
        self._response = cache(lambda site, hundreds: self._responses.labels(site, f"{hundreds}xx"))
        self._decorated_on = cache(self._decorated.labels)
        self._skipped_on = cache(self._skipped.labels)

    def arrived(self, arrival: Arrival) -> None:
        for note in arrival.notes:
            self._decisions.labels(arrival.domain.site.name, *note).inc()

    def departed(self, arrival: Arrival, status: int, departure: Departure) -> None:
        site = arrival.domain.site.name
        self._response(site, status // 100).inc()
        for note in departure.notes:
            self._decisions.labels(site, *note).inc()

    def page_done(self, arrival: Arrival, rewriter: PageRewriter) -> None:
        site = arrival.domain.site.name
        self._decorated_on(site).inc(rewriter.decorated)
        for why, count in rewriter.skipped.items():
            self._skipped_on(site, why).inc(count)
        if rewriter.left_alone:
            self._decisions.labels(site, "left-alone", "", rewriter.left_alone).inc()

    def failed(self, kind: str) -> None:
        self._failures.labels(kind).inc()

    def upstream_failed(self, domain: Domain, index: int, kind: str) -> None:
        self._faults.labels(domain.site.name, domain.host, index, kind).inc()

    def upstream_health(self, domain: Domain, index: int, healthy: bool) -> None:
        self._health.labels(domain.site.name, domain.host, index).set(healthy)

    def sent(self, provider: str, outcome: str) -> None:
        self._calls.labels(provider, outcome).inc()

    def text(self, stats: Stats) -> bytes:
        """The exposition format; ``stats`` of the outbox at this moment."""
        self._waiting.set(stats.waiting)
        self._set_apart.set(stats.set_apart)
        self._fullness.set(stats.fullness)
        self._oldest.set(stats.oldest_age)
        return generate_latest(self.registry)
