"""The measurements: in rounds, in which each contestant has its turn at each case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from . import load
from .cases import Case, browser
from .check import fault, warm_up
from .contestants import Contestant
from .process import Server
from .progress import Progress

WARM_UP = 8
"""Requests before a turn is measured: caches may have forgotten this page since."""


@dataclass(frozen=True)
class Sample:
    """One turn; seconds everywhere."""

    cpu: float
    """CPU per request."""
    rate: float
    """Requests per second."""
    p50: float
    p99: float


@dataclass
class Cell:
    """A contestant at a case."""

    samples: dict[int, Sample] = field(default_factory=dict)
    """By round."""
    bytes: int = 0
    coding: str = ""
    fault: str = ""
    """Why nothing was measured."""

    def median(self, what: str) -> float:
        return float(median(getattr(sample, what) for sample in self.samples.values()))


Cells = dict[tuple[str, str], Cell]
"""By the names of case and contestant."""


def ratio(cells: Mapping[tuple[str, str], Cell], case: str, contestant: str, baseline: str) -> float | None:
    """The median over the rounds of CPU per request, contestant to baseline."""
    ours, theirs = cells.get((case, contestant)), cells.get((case, baseline))
    if ours is None or theirs is None:
        return None
    rounds = ours.samples.keys() & theirs.samples.keys()
    return median(ours.samples[n].cpu / theirs.samples[n].cpu for n in rounds) if rounds else None


@dataclass(frozen=True)
class Turn:
    """What is measured in one go."""

    round: int
    case: Case
    contestant: Contestant


def turns(rounds: int, cases: Sequence[Case], contestants: Sequence[Contestant]) -> Iterator[Turn]:
    """Every round, every case, every contestant; who begins is another one each time."""
    for number in range(rounds):
        for place, case in enumerate(cases):
            taking_part = [c for c in contestants if case.kind.name in c.kinds]
            first = (number + place) % len(taking_part) if taking_part else 0
            for contestant in taking_part[first:] + taking_part[:first]:
                yield Turn(number, case, contestant)


def matrix(
    planned: Sequence[Turn], servers: Mapping[str, Server], upstream: Server, seconds: int, progress: Progress
) -> Cells:
    """Take all the turns."""
    cells: Cells = defaultdict(Cell)
    for turn in planned:
        cell = cells[turn.case.name, turn.contestant.name]
        progress.begin(f"round {turn.round + 1}  {turn.case.name}  {turn.contestant.title}")
        if not cell.fault:
            _take(turn, cell, servers[turn.contestant.name], upstream, seconds)
        progress.done(cell.fault or f"{1e6 * cell.samples[turn.round].cpu:,.0f} µs CPU")
    progress.end()
    return dict(cells)


def _take(turn: Turn, cell: Cell, server: Server, upstream: Server, seconds: int) -> None:
    headers = browser(server.port, asset=turn.case.kind.asset)
    answer = warm_up(server.port, turn.case, headers, WARM_UP)
    made = warm_up(upstream.port, turn.case, headers, 1)
    cell.fault = fault(turn.contestant, turn.case, answer, made)
    if cell.fault:
        return
    cell.bytes, cell.coding = answer.size, answer.coding
    before = server.cpu()
    seen = load.run(server.port, turn.case.path, headers, turn.case.connections, seconds)
    used = server.cpu() - before
    if seen.errors or not seen.requests:
        cell.fault = seen.errors or "no request was answered"
        return
    cell.samples[turn.round] = Sample(used / seen.requests, seen.requests / seen.seconds, seen.p50, seen.p99)
