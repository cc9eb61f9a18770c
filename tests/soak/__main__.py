"""``python -m tests.soak``: load and fault, idle connections, latency; exit status 1 after any fault."""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import uvloop
from bench import process
from bench.install import MissingError, needed

from . import idle, latency, load
from .options import IDLE, LATENCY, LOAD, Options, parse
from .process import StartError
from .report import Results, as_json, markdown

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    options = parse()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # On a disk: Redis and SQLite wait for it.
        with tempfile.TemporaryDirectory(prefix="kmproxy-soak-", dir="/var/tmp") as folder:
            results = uvloop.run(_run(options, Path(folder)))
    except (MissingError, StartError, process.StartError) as error:
        sys.exit(f"it can't be run: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing was kept")
    print(f"\n{markdown(results)}\n\n{_keep(results)}")
    return 1 if results.faults() else 0


async def _run(options: Options, folder: Path) -> Results:
    loaded = rested = None
    took: list[latency.Latency] = []
    if LATENCY in options.parts:
        print("latency", flush=True)
        needed()
        took = await latency.run(_made(folder, LATENCY))
    if IDLE in options.parts:
        print(f"{options.connections:,} idle connections", flush=True)
        rested = await idle.run(options, _made(folder, IDLE))
    if LOAD in options.parts:
        print(f"{options.visitors:,} visitors for {options.minutes:g} minutes", flush=True)
        loaded = await load.run(options, _made(folder, LOAD))
    return Results(options, loaded, rested, took)


def _made(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _keep(results: Results) -> Path:
    """Write table and numbers; gives the table's file."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / ".gitignore").write_text("*\n")
    file = RESULTS / f"{datetime.now():%Y-%m-%d-%H%M%S}.md"
    file.write_text(markdown(results) + "\n")
    file.with_suffix(".json").write_text(as_json(results) + "\n")
    return file


if __name__ == "__main__":
    sys.exit(main())
