"""``python -m tests.bench``: measure, show, keep."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from .install import MissingError
from .options import parse
from .plot import svg
from .process import LOAD_CORE, StartError
from .report import Results, as_json, markdown, summary
from .run import Run

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    options = parse()
    os.sched_setaffinity(0, {LOAD_CORE})
    # The servers are in sessions of their own: they end only if this does so in good order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kmproxy-bench-", dir=_in_memory()) as folder:
        try:
            results = Run(options, Path(folder)).measure()
        except (MissingError, StartError) as error:
            sys.exit(f"nothing can be measured: {error}")
        except KeyboardInterrupt:
            sys.exit("\nstopped; nothing was kept")
    file = keep(results)
    print("\n" + "\n\n".join(summary(results)) + f"\n\n{os.path.relpath(file)}")


def _in_memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def keep(results: Results) -> Path:
    """Write the report, its numbers and its picture; gives the report's file."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / ".gitignore").write_text("*\n")
    file = RESULTS / f"{datetime.now():%Y-%m-%d-%H%M%S}.md"
    picture = svg(results.cells, [case for case in results.cases if case.kind.name == "seen"])
    if picture:
        file.with_suffix(".svg").write_text(picture)
    file.write_text(markdown(results, file.with_suffix(".svg").name if picture else ""))
    file.with_suffix(".json").write_text(as_json(results))
    return file


if __name__ == "__main__":
    main()
