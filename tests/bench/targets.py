"""The targets: at most so many times a peer's CPU. Nothing asserts; it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .contestants import AIOHTTP, BASELINES, FASTAPI, FLASK, KMPROXY, SUB
from .measure import Cells, ratio
from .scanning import LINKED, UNLINKED, Scanned

_PEERS = {SUB: "nginx sub_filter + gzip 1", AIOHTTP: "aiohttp pass-through"}

_CPU: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("seen", SUB, {"12k": 0.9, "100k": 0.2, "1m": 0.06}),
    ("seen", AIOHTTP, {"12k": 0.7, "100k": 0.7, "1m": 0.7}),
    ("spots", SUB, {"100k": 0.55, "1m": 0.45}),
    ("spots-plain", SUB, {"100k": 0.4, "1m": 0.3}),
    ("new", SUB, {"100k": 1.1, "1m": 0.9}),
    ("asset", AIOHTTP, {"12k": 0.6, "100k": 0.6, "1m": 0.6}),
    ("no-link", AIOHTTP, {"12k": 0.6, "100k": 0.6, "1m": 0.6}),
)
_APPS = (f"{FASTAPI}-kmproxy-gzip", f"{FLASK}-kmproxy-compress")
_SCANNER = {LINKED: 1.5, UNLINKED: 0.3}


@dataclass(frozen=True)
class Target:
    """One target, and what was measured, if it was."""

    what: str
    peer: str
    limit: float
    measured: float | None

    @property
    def sign(self) -> str:
        if self.measured is None:
            return "–"
        return "✓" if self.measured <= self.limit else "✗"


def targets(cells: Cells, scanned: Sequence[Scanned]) -> Iterator[Target]:
    """All of them."""
    for kind, peer, limits in _CPU:
        for size, limit in limits.items():
            yield Target(f"{kind}-{size}", _PEERS[peer], limit, ratio(cells, f"{kind}-{size}", KMPROXY, peer))
    for app in _APPS:
        peer = BASELINES[app]
        yield Target(f"middleware, {app}", peer, 1.0, ratio(cells, "middleware-100k", app, peer))
    found = {scan.pages: scan for scan in scanned if not scan.fault}
    for pages, limit in _SCANNER.items():
        measured = found[pages].ratio if pages in found else None
        yield Target(f"scanner, {pages} pages", "lol-html", limit, measured)
