"""One run: servers up, everything measured, servers down."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from . import arrivals, install, machine, pages, scanning, streaming, upstream
from .cases import Case, cases
from .contestants import EVERYBODY, Contestant
from .measure import Cells, matrix, turns
from .options import ARRIVALS, SCANNER, STREAMING, Options
from .process import Server, StartError, free_port
from .progress import Progress
from .report import Results
from .targets import targets

_LONG = 20.0
"""Seconds at most for a contestant's long pages."""


class Run:
    """What one run needs at every step; ``folder`` is for its files and gone afterwards."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._left_out: dict[str, str] = {}
        self._pages: list[pages.Page] = []

    def measure(self) -> Results:
        """Everything that was asked for. Raises install.MissingError, StartError."""
        install.needed()
        self._left_out |= install.peers(self._peers())
        print("making the pages", flush=True)
        self._pages = pages.load()
        chosen = self._cases()
        cells = self._matrix(chosen)
        scanned = self._scanned()
        streamed = self._streamed()
        arrived = self._arrived()
        return Results(
            self._settings(),
            machine.describe(),
            self._pages,
            chosen,
            cells,
            scanned,
            streamed,
            arrived,
            list(targets(cells, scanned)),
            self._left_out,
        )

    def _settings(self) -> str:
        rounds, seconds = self._options.rounds, self._options.seconds
        return f"{datetime.now():%Y-%m-%d %H:%M}; rounds: {rounds}, of {seconds} s a turn."

    def _peers(self) -> frozenset[str]:
        """What is to be installed; nginx's Lua module makes the upstream's unique pages, too."""
        wanted = {c.name for c in EVERYBODY if any(self._options.wants(kind, c.name) for kind in c.kinds)}
        unique = {"nginx-lua"} if any(self._options.wants_any(kind) for kind in upstream.UNIQUE) else set()
        return frozenset(wanted | unique | ({"lol-html"} if self._options.wants_any(SCANNER) else set()))

    def _cases(self) -> list[Case]:
        found = cases(self._pages, self._options.sizes)
        if not upstream.lua_modules():
            found = [case for case in found if case.kind.name not in upstream.UNIQUE]
            self._left_out["pages with unique spots"] = "the upstream makes them with nginx's Lua module"
        return [case for case in found if self._options.wants_any(case.kind.name)]

    def _matrix(self, chosen: list[Case]) -> Cells:
        with ExitStack() as stack:
            origin = upstream.start(self._folder, self._pages)
            stack.callback(origin.stop)
            servers: dict[str, Server] = {}
            for contestant in EVERYBODY:
                if any(self._options.takes_turn(case, contestant) for case in chosen):
                    self._start(contestant, origin.port, servers, stack)
            planned = [
                turn
                for turn in turns(self._options.rounds, chosen, EVERYBODY)
                if turn.contestant.name in servers and self._options.takes_turn(turn.case, turn.contestant)
            ]
            return matrix(planned, servers, origin, self._options.seconds, Progress(len(planned)))

    def _start(
        self, contestant: Contestant, origin: int, servers: dict[str, Server], stack: ExitStack
    ) -> None:
        if contestant.name in self._left_out:
            return
        folder, port = self._folder / contestant.name, free_port()
        folder.mkdir()
        try:
            server = Server(contestant.command(folder, port, origin), port, folder / "log")
        except (StartError, OSError) as error:
            self._left_out[contestant.name] = f"it does not start: {error}"
            return
        stack.callback(server.stop)
        servers[contestant.name] = server

    def _scanned(self) -> list[scanning.Scanned]:
        if "lol-html" in self._left_out or not self._options.wants_any(SCANNER):
            return []
        print("the scanner alone", flush=True)
        return scanning.measure(self._options.rounds)

    def _streamed(self) -> list[streaming.Streamed]:
        names = {c.name for c in EVERYBODY if self._options.wants(STREAMING, c.name)} - self._left_out.keys()
        if not names or not self._options.wants_any(STREAMING):
            return []
        print("streaming", flush=True)
        seconds = _LONG / 4 if self._options.quick else _LONG
        return streaming.measure(self._folder, self._pages[-1].html, frozenset(names), seconds)

    def _arrived(self) -> list[arrivals.Arrivals]:
        if not self._options.wants_any(ARRIVALS):
            return []
        print("arrivals", flush=True)
        folder = self._folder / "arrivals"
        folder.mkdir()
        return arrivals.measure(folder, min(self._options.rounds, 3), 2 * self._options.seconds)
