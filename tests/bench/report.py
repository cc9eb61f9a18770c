"""The report: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from .arrivals import Arrivals
from .cases import KINDS, Case
from .contestants import BASELINE, BASELINES, EVERYBODY, KMPROXY, Contestant
from .markdown import table
from .measure import Cell, Cells, ratio
from .pages import Page
from .scanning import Scanned
from .streaming import PAGES, Streamed
from .targets import Target


@dataclass
class Results:
    """Everything that was measured."""

    settings: str
    machine: dict[str, str]
    pages: list[Page]
    cases: list[Case]
    cells: Cells
    scanned: list[Scanned]
    streamed: list[Streamed]
    arrived: list[Arrivals]
    targets: list[Target]
    left_out: dict[str, str]


def markdown(results: Results, plot: str = "") -> str:
    """The whole report; ``plot`` is the picture's file."""
    parts = [f"# kmproxy beside its peers\n\n{results.settings}", *_head(results)]
    parts += [f"![CPU per request]({plot})"] if plot else []
    parts += [*summary(results), _details(results), _how(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(results: Results) -> Iterator[str]:
    """What is shown at the end of a run, too."""
    if results.cells:
        yield _CPU
    for kind in dict.fromkeys(case.kind.name for case in results.cases):
        yield _kind(results, kind)
    yield from _scanner(results.scanned)
    yield from _streaming(results.streamed)
    yield from _arrivals(results.arrived)
    yield "## Targets\n\n" + table(
        ["kmproxy's", "beside", "at most", "measured", ""],
        [[t.what, t.peer, f"{t.limit:g}", _number(t.measured), t.sign] for t in results.targets],
    )


def _head(results: Results) -> Iterator[str]:
    yield "\n".join(f"* {name}: {what}" for name, what in results.machine.items())
    if results.left_out:
        yield "Left out:\n\n" + "\n".join(f"* {name}: {why}" for name, why in results.left_out.items())


def _kind(results: Results, kind: str) -> str:
    cases = [case for case in results.cases if case.kind.name == kind]
    rows = [
        [contestant.title, *(_cell(results.cells, case, contestant.name) for case in cases)]
        for contestant in _measured(results.cells, cases)
    ]
    return f"### {kind}: {KINDS[kind].title}\n\n" + table(["", *(case.size for case in cases)], rows)


def _measured(cells: Cells, cases: Sequence[Case]) -> list[Contestant]:
    return [c for c in EVERYBODY if any((case.name, c.name) in cells for case in cases)]


def _cell(cells: Cells, case: Case, contestant: str) -> str:
    cell = cells.get((case.name, contestant))
    if cell is None:
        return ""
    if cell.fault:
        return f"invalid: {cell.fault}"
    compared = ratio(cells, case.name, contestant, BASELINES[contestant])
    return f"{1e6 * cell.median('cpu'):,.0f}" + (f" ({compared:.2f})" if compared is not None else "")


def _details(results: Results) -> str:
    rows = [
        [case.name, contestant.title, *_figures(results.cells[case.name, contestant.name])]
        for case in results.cases
        for contestant in _measured(results.cells, [case])
    ]
    header = ["case", "", "requests/s", "p50 ms", "p99 ms", "bytes", "coding"]
    return "## Throughput and latency\n\n" + table(header, rows) if rows else ""


def _figures(cell: Cell) -> list[str]:
    if cell.fault:
        return [f"invalid: {cell.fault}", "", "", "", ""]
    latency = [f"{1e3 * cell.median(what):.2f}" for what in ("p50", "p99")]
    return [f"{cell.median('rate'):,.0f}", *latency, f"{cell.bytes:,}", cell.coding or "none"]


def _scanner(scanned: Sequence[Scanned]) -> Iterator[str]:
    if scanned:
        header = ["pages", "MB", "kmproxy MB/s", "lol-html MB/s", "ratio of times"]
        yield _SCANNER + table(header, [_scanned_row(scan) for scan in scanned])


def _scanned_row(scan: Scanned) -> list[str]:
    speeds = [f"{scan.megabytes / seconds:,.0f}" for seconds in (scan.kmproxy, scan.lol_html)]
    return [scan.pages, f"{scan.megabytes:.1f}", *speeds, scan.fault or f"{scan.ratio:.2f}"]


_CPU = """\
## CPU per request

In µs, and as a ratio to nginx `sub_filter` with gzip level 1; an app's, to that app with its usual gzip."""

_SCANNER = """\
## The scanner alone

In 64 KB chunks. Linked pages lead to the other domain, and lol-html has a handler on every link; unlinked
pages don't, and lol-html's handler is on links to that domain only.

"""

_STREAMING = f"""\
## Streaming

From a part of a page leaving the upstream to its reaching the client, with a pause after each part; and by
how much the process grows with {PAGES} pages of 10 MB (gzip) at once.

"""


def _streaming(streamed: Sequence[Streamed]) -> Iterator[str]:
    if streamed:
        yield _STREAMING + table(
            ["", "plain p50, p99", "gzip p50, p99", "long pages: growth", "pages whole", "in"],
            [_streamed_row(one) for one in streamed],
        )


def _streamed_row(one: Streamed) -> list[str]:
    if one.fault:
        return [one.title, f"invalid: {one.fault}", "", "", "", ""]
    delays = [f"{1e3 * p[0]:.1f}, {1e3 * p[1]:.1f} ms" if p else "" for p in (one.plain, one.gzip)]
    delays[-1] += " (held back)" if one.held else ""
    if one.growth is None:
        return [one.title, *delays, "", "", ""]
    return [one.title, *delays, f"{one.growth / 1e6:,.0f} MB", str(one.whole), f"{one.seconds:.1f} s"]


_ARRIVALS = """\
## Arrivals

A known visitor whom the link gives a name: an `alias` for KISSmetrics and a `$identify` for Mixpanel are on
disk before the redirect leaves, and are sent to stand-ins of the vendors. CPU is the proxy's with its
sender's, until they are delivered; the disk is a real one, and Redis syncs as well.

"""


def _arrivals(arrived: Sequence[Arrivals]) -> Iterator[str]:
    if arrived:
        header = ["", "CPU µs", "answered/s", "delivered/s"]
        yield _ARRIVALS + table(header, [_arrivals_row(one) for one in arrived])


def _arrivals_row(one: Arrivals) -> list[str]:
    if one.fault:
        return [one.title, f"invalid: {one.fault}", "", ""]
    delivered = f"{one.delivered:,.0f}" if one.delivered else ""
    return [one.title, f"{1e6 * one.cpu:,.0f}", f"{one.answered:,.0f}", delivered]


def _how(results: Results) -> str:
    pages = [
        f"* {page.size}: {page.source}, {len(page.html):,} bytes, {page.links} links to the other domain"
        for page in results.pages
    ]
    peers = [f"* {c.title}: {c.note}." for c in EVERYBODY]
    return "\n".join([_HOW, "", "Pages:", "", *pages, "", "Contestants:", "", *peers])


_HOW = """\
## How it is done

Each contestant is a real server with one worker, pinned to one core; wrk and the upstream (nginx, static
files, gzip level 6 made beforehand) share another. In each round each has its turn at each case, and who
begins changes. CPU is user and system time of all its processes, from /proc; ratios are taken within a
round; all figures are medians over the rounds. Before each turn an answer is looked at: just the links that
must be decorated are, or the cell is invalid. Where the upstream is said to send gzip, a contestant that asks
for plain pages gets them plain, which is the cheaper way for it.

"Three unique spots" and "never seen" hold a random token that is a new one in each answer: in the head, a
header and the footer; or in every second decorated link and every 4 KB of text. In gzip, too: the upstream
puts it into stored blocks between deflate blocks and works out the CRC. So no answer is ever repeated, and no
cache can know it.

In the streaming measurements nginx buffers, as it does by default."""


def as_json(results: Results) -> str:
    """The same, and every sample."""
    cells = [
        {
            "case": case,
            "contestant": contestant,
            "ratio": ratio(results.cells, case, contestant, BASELINES[contestant]),
        }
        | asdict(cell)
        for (case, contestant), cell in results.cells.items()
    ]
    return json.dumps(
        {
            "settings": results.settings,
            "machine": results.machine,
            "left_out": results.left_out,
            "baseline": BASELINE,
            "subject": KMPROXY,
            "cells": cells,
            "scanned": [asdict(scan) for scan in results.scanned],
            "streamed": [asdict(one) for one in results.streamed],
            "arrivals": [asdict(one) for one in results.arrived],
            "targets": [asdict(target) | {"met": target.sign == "✓"} for target in results.targets],
        },
        indent=1,
    )


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"
