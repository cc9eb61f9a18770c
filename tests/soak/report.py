"""What came of it all, as a short table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from bench import contestants

from .idle import Idle
from .latency import DIRECT, Latency
from .load import Load
from .options import Options

_WAYS = {
    DIRECT: "the upstream direct",
    contestants.PASS: "nginx `proxy_pass`",
    contestants.AIOHTTP: "aiohttp pass-through",
    contestants.KMPROXY: "kmproxy",
}


@dataclass(frozen=True)
class Results:
    """Of the parts that were asked for."""

    options: Options
    load: Load | None = None
    idle: Idle | None = None
    latency: Sequence[Latency] = ()

    def faults(self) -> dict[str, list[str]]:
        """Each kind of what should not have been, with how often, and the first few in full."""
        found = {}
        if self.load:
            record = self.load.record
            found = {f"{what} ({record.faults[what]})": told for what, told in record.told.items()}
        if self.idle and self.idle.refused:
            found[f"an idle connection that is no good ({self.idle.refused})"] = []
        return found


def markdown(results: Results) -> str:
    """For people, and the README."""
    parts = [_load(results.load, results.options)] if results.load else []
    parts += [_idle(results.idle)] if results.idle else []
    parts += [_latency(results.latency)] if results.latency else []
    faults = [
        f"FAULT: {what}" + "".join(f"\n  {one}" for one in told) for what, told in results.faults().items()
    ]
    return "\n\n".join([*("\n".join(part) for part in parts), *faults])


def _load(load: Load, options: Options) -> Iterator[str]:
    record = load.record
    done, rate = f"{record.counts.total():,}", record.counts.total() / load.seconds
    counts = ", ".join(f"{what}: {count:,}" for what, count in record.counts.most_common())
    disturbed = ", ".join(
        f"{_DISTURBED.get(what, f'{what}: upstream killed')}: {count}"
        for what, count in sorted(record.disturbed.items())
        if not what.startswith("all of")
    )
    excused = ", ".join(f"{what}: {count:,}" for what, count in record.excused.most_common())
    memory, p50, p99 = load.memory, _ms(record.percentile(50)), _ms(record.percentile(99))
    yield f"| {options.visitors:,} visitors, {load.seconds / 60:.1f} minutes, {options.workers} workers | |"
    yield "| --- | --- |"
    yield f"| done, each checked to its last byte | {done}, {rate:,.0f} a second: {counts} |"
    yield f"| meanwhile | {disturbed} |"
    yield f"| not answered, or broken off, by what was down | {excused or 'nothing'} |"
    yield f"| tracking calls | promised: {load.promised:,}, each delivered in order; came: {load.came:,} |"
    yield f"| a page under that load, p50 and p99 | {p50}, {p99} |"
    told = "" if memory.is_long_enough else " (too short a time to tell)"
    yield f"| memory of a worker, middle and last third | {_mb(memory.middle)}, {_mb(memory.last)}{told} |"
    yield f"| CPU of that worker | {load.cpu / load.seconds:.0%} of a core |"
    yield f"| from SIGTERM to the end | {load.stop:.1f} s |"
    yield f"| **faults** | **{record.faults.total()}** |"


_DISTURBED = {
    "Redis": "Redis killed",
    "no connection taken": "stopped and started again under load",
    "the vendor": "vendors down for 8 s",
    "reload": "configuration reloaded",
    "worker": "worker killed",
}


def _idle(idle: Idle) -> Iterator[str]:
    yield f"{idle.connections:,} idle connections on one worker: {idle.bytes_each:,.0f} bytes each."


def _latency(latency: Sequence[Latency]) -> Iterator[str]:
    direct = {found.what: found for found in latency if found.way == DIRECT}
    yield "| added at p50, p99 | page, 10 KB | asset, 12 KB |"
    yield "| --- | ---: | ---: |"
    for way, title in _WAYS.items():
        cells = [_cell(found, direct[found.what]) for found in latency if found.way == way]
        yield f"| {title} | {' | '.join(cells)} |"


def _cell(found: Latency, direct: Latency) -> str:
    if found.way == DIRECT:
        return f"{_ms(found.p50)}, {_ms(found.p99)}"
    return f"+{_ms(found.p50 - direct.p50)}, +{_ms(found.p99 - direct.p99)}"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms"


def _mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def as_json(results: Results) -> str:
    """For programs; seconds and bytes."""
    found: dict[str, object] = {"options": asdict(results.options), "faults": results.faults()}
    if load := results.load:
        record = load.record
        found["load"] = {
            "seconds": load.seconds,
            "done": record.counts,
            "promised": load.promised,
            "came": load.came,
            "disturbed": record.disturbed,
            "excused": record.excused,
            "page_p50": record.percentile(50),
            "page_p99": record.percentile(99),
            "memory": asdict(load.memory),
            "cpu": load.cpu,
            "stop": load.stop,
        }
    if results.idle:
        found["idle"] = asdict(results.idle)
    found["latency"] = [asdict(one) for one in results.latency]
    return json.dumps(found, indent=2)
