"""What is asked for on the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from .cases import KINDS, Case
from .contestants import EVERYBODY, Contestant
from .pages import SIZES

SCANNER, STREAMING, ARRIVALS = "scanner", "streaming", "arrivals"

_NAMES = [*KINDS, SCANNER, STREAMING, ARRIVALS]
_CONTESTANTS = [contestant.name for contestant in EVERYBODY]


@dataclass(frozen=True)
class Options:
    """What is measured, and for how long."""

    rounds: int
    seconds: int
    quick: bool
    only: tuple[tuple[str, str], ...]
    """Pairs of a kind of case and a contestant; "" is any."""
    sizes: tuple[str, ...]

    def wants(self, name: str, contestant: str) -> bool:
        return not self.only or any(kind in ("", name) and who in ("", contestant) for kind, who in self.only)

    def wants_any(self, name: str) -> bool:
        return any(self.wants(name, contestant) for contestant in _CONTESTANTS)

    def takes_turn(self, case: Case, contestant: Contestant) -> bool:
        return case.kind.name in contestant.kinds and self.wants(case.kind.name, contestant.name)


def parse() -> Options:
    """Exits with a message where it can't be understood."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="kmproxy beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one round of one-second turns")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds (5)")
    parser.add_argument("--seconds", type=int, metavar="S", help="seconds a turn, whole ones (2)")
    parser.add_argument("--size", action="append", choices=list(SIZES), help="may be repeated")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        type=_pair,
        metavar="CASE/CONTESTANT",
        help="either may be left out; may be repeated. "
        f"Cases: {', '.join(_NAMES)}. Contestants: {', '.join(_CONTESTANTS)}",
    )
    given = parser.parse_args()
    return Options(
        given.rounds or (1 if given.quick else 5),
        given.seconds or (1 if given.quick else 2),
        given.quick,
        tuple(given.only),
        tuple(given.size or SIZES),
    )


def _pair(text: str) -> tuple[str, str]:
    kind, _, contestant = text.partition("/")
    if kind and kind not in _NAMES:
        raise argparse.ArgumentTypeError(f"no case is called {kind!r}; there are {', '.join(_NAMES)}")
    if contestant and contestant not in _CONTESTANTS:
        raise argparse.ArgumentTypeError(
            f"no contestant is called {contestant!r}; there are {', '.join(_CONTESTANTS)}"
        )
    return kind, contestant
