"""What Prometheus is told: the counters of all processes, and the state of the outbox."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import prometheus_client.values
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from prometheus_client.values import MultiProcessValue

from kmproxy.outbox import Stats

GONE = math.inf
"""A gauge of what is no more. Those of several processes, whose files take nothing back, are merged by the
least: it counts where each of them says so."""


class Exposition:
    """The text of a registry, with what only the outbox itself knows."""

    def __init__(self, registry: CollectorRegistry, before: Callable[[], None] = lambda: None) -> None:
        """``before`` each reading the registry is brought up to date."""
        self._registry = registry
        self._before = before

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"kmproxy_{name}", text, registry=registry)

        self._usable = gauge(
            "outbox_up", "1 while the outbox answers; the others of its metrics are told then."
        )
        self._waiting = gauge("outbox_waiting", "Tracking calls not delivered yet.")
        self._set_apart = gauge("outbox_set_apart", "Tracking calls refused for good and kept.")
        self._fullness = gauge("outbox_fullness", "Share of the outbox's room in use; from 1 on it refuses.")
        self._oldest = gauge("outbox_oldest_seconds", "Age of the oldest call not delivered yet.")

    def text(self, stats: Stats | None) -> bytes:
        """The exposition format; ``stats`` of the outbox at this moment, None if it does not answer."""
        self._before()
        self._usable.set(stats is not None)
        self._waiting.set(stats.waiting if stats else GONE)
        self._set_apart.set(stats.set_apart if stats else GONE)
        self._fullness.set(stats.fullness if stats else GONE)
        self._oldest.set(stats.oldest_age if stats else GONE)
        return generate_latest(_Present(self._registry))


class _Present(Collector):
    """A registry without the gauges that are ``GONE``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if sample.value != GONE]
            yield metric


def shared(folder: Path) -> CollectorRegistry:
    """The sums of what other processes count in the files of ``folder``."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    return registry


def share(folder: Path, place: int) -> None:
    """Count in the files of ``folder``; to be called before there are ``Metrics``.

    Who takes the ``place`` of a process that died goes on from its counts, so that they never fall. What it
    said of upstreams is forgotten: they may have been removed since.
    """
    mark_process_dead(place, str(folder))  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    value_class = MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    prometheus_client.values.ValueClass = value_class
