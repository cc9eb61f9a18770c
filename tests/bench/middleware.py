"""Apps as contestants, with and without kmproxy's middleware.

A variant names what is between the visitor and the page, from the outside in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from . import configured
from .install import FLASK_COMPRESS

_ROOT = Path(__file__).parents[2]


def fastapi(variant: str) -> Callable[[Path, int, int], list[str]]:
    """The command of FastAPI under uvicorn: of ``kmproxy``, ``gzip`` and ``gzipped``, joined by ``+``."""

    def command(folder: Path, port: int, upstream: int) -> list[str]:
        config = configured.middleware(folder)
        app = ["-m", "tests.bench.apps.fastapi_app", str(port), str(upstream), variant, str(config)]
        return ["env", f"PYTHONPATH={_ROOT}", sys.executable, *app]

    return command


def flask(variant: str) -> Callable[[Path, int, int], list[str]]:
    """The command of Flask under gunicorn: of ``kmproxy``, ``compress`` and ``gzipped``, joined by ``+``."""

    def command(folder: Path, port: int, upstream: int) -> list[str]:
        config = configured.middleware(folder)
        app = f'tests.bench.apps.flask_app:make({upstream}, "{variant}", "{config}")'
        server = ["-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "8"]
        more = ["--no-control-socket", "--log-level", "error"]
        return ["env", f"PYTHONPATH={_ROOT}:{FLASK_COMPRESS}", sys.executable, *server, *more, app]

    return command
