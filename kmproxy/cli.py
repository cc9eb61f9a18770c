"""The command line: ``kmproxy serve``, ``check``, ``schema``, ``demo``."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from kmproxy import __version__
from kmproxy.config import Config, load
from kmproxy.config import schema as config_schema
from kmproxy.errors import ConfigError, KmproxyError

app = typer.Typer(
    help="kmproxy keeps one visitor one person across several domains.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Default: ./kmproxy.toml, then /etc/kmproxy/kmproxy.toml.",
    ),
]


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """kmproxy keeps one visitor one person across several domains."""
    if version:
        _out.print(f"kmproxy {__version__}")
        raise typer.Exit


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Run the reverse proxy in front of the configured domains."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _run(_serve(_load(config)))


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check the configuration: every problem with its line, the cookie scopes, each upstream."""
    from kmproxy.report import report

    _run(report(_load(config), _out))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    _out.print(json.dumps(config_schema(), indent=2), markup=False)


@app.command()
def demo(
    walk: Annotated[
        bool, typer.Option("--check", help="Walk the journey, print each step, exit 0 if all held.")
    ] = False,
) -> None:
    """Two demo sites and a proxy on *.localhost: watch one visitor stay one person."""
    from kmproxy.demo.run import check_demo, run_demo

    if walk:
        if not asyncio.run(check_demo(_out)):
            raise typer.Exit(1)
        return
    _run(run_demo(_out))


def _load(path: Path | None) -> Config:
    try:
        return load(path)
    except ConfigError as error:
        _err.print(str(error), markup=False)
        count = len(error.problems)
        _err.print(f"{count} problem{'s' * (count != 1)}; nothing was started.")
        raise typer.Exit(2) from None


def _run(job: Coroutine[Any, Any, None]) -> None:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(job)
    except KmproxyError as error:
        _err.print(str(error), markup=False)
        raise typer.Exit(1) from None


async def _serve(config: Config) -> None:
    from kmproxy.proxy.server import ProxyServer
    from kmproxy.signals import told_to_stop

    with told_to_stop() as stop:
        async with ProxyServer(config) as server:
            for site in config.site:
                hosts = ", ".join(domain.host for domain in site.domain)
                _out.print(f"site {site.name}: {hosts}", markup=False)
            _out.print(f"listening on {', '.join(server.addresses)}", markup=False)
            if server.admin_address:
                _out.print(f"health and metrics on {server.admin_address}", markup=False)
            await stop.wait()
            _out.print("stopping: requests in flight may end, tracking calls stay in the outbox")
