"""What is asked for on the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

LOAD, IDLE, LATENCY = "load", "idle", "latency"
PARTS = (LOAD, IDLE, LATENCY)


@dataclass(frozen=True)
class Options:
    """What is done, and how much of it."""

    minutes: float
    visitors: int
    workers: int
    pace: float
    """Seconds between two requests of a visitor, on average."""
    connections: int
    outbox: str
    seed: int
    parts: tuple[str, ...]


def parse() -> Options:
    """Exits with a message where it can't be understood."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="The whole of kmproxy under load and fault. Exit status 1 after any fault.",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=10,
        metavar="N",
        help="of load (10); of fewer than 4 memory is not judged",
    )
    parser.add_argument("--visitors", type=int, default=2000, metavar="N", help="at once (2000)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="of kmproxy (2)")
    parser.add_argument(
        "--pace", type=float, default=1.5, metavar="S", help="seconds between two requests (1.5)"
    )
    parser.add_argument("--connections", type=int, default=10_000, metavar="N", help="idle ones (10000)")
    parser.add_argument("--outbox", choices=["redis", "sqlite"], default="redis", help="redis is killed, too")
    parser.add_argument("--seed", type=int, default=20, metavar="N", help="of all that is left to luck (20)")
    parser.add_argument("--only", action="append", choices=PARTS, help="may be repeated")
    given = parser.parse_args()
    return Options(
        given.minutes,
        given.visitors,
        given.workers,
        given.pace,
        given.connections,
        given.outbox,
        given.seed,
        tuple(given.only or PARTS),
    )
