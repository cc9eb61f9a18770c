"""What all commands share: where they print, which configuration they read, how they end.

Exit status: 0 all went well; 1 it did not; 2 the configuration or the command line is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop
from rich.console import Console

from kmproxy.config import Config, load
from kmproxy.errors import ConfigError, KmproxyError, QuestionError

T = TypeVar("T")

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Default: ./kmproxy.toml, then /etc/kmproxy/kmproxy.toml.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def configured(path: Path | None) -> Config:
    """The configuration; the command ends where it is wrong."""
    return read(lambda: load(path))


def read(reading: Callable[[], T]) -> T:
    """What ``reading`` gives; the command ends where the configuration it reads is wrong."""
    try:
        return reading()
    except ConfigError as error:
        err.print(str(error), markup=False)
        count = len(error.problems)
        err.print(f"{count} problem{'s' * (count != 1)}; nothing was started.")
        raise typer.Exit(2) from None


def run(job: Coroutine[Any, Any, T]) -> T:
    """What the job gives; the command ends where it fails."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(job)
    except KmproxyError as error:
        end(str(error), 2 if isinstance(error, QuestionError) else 1)


def end(message: str, status: int = 1) -> NoReturn:
    """Say why, and end the command."""
    err.print(message, markup=False)
    raise typer.Exit(status) from None
