"""``kmproxy serve``, ``check``, ``schema``, ``demo``, and where the other commands are."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from kmproxy.cli import outbox
from kmproxy.cli.common import ConfigFile, configured, out, run
from kmproxy.cli.explain import explain
from kmproxy.config import schema as config_schema
from kmproxy.version import __version__

app = typer.Typer(
    help="kmproxy keeps one visitor one person across several domains.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # else help texts are broken where the source is
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """kmproxy keeps one visitor one person across several domains."""
    if version:
        out.print(f"kmproxy {__version__}")
        raise typer.Exit


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Run the reverse proxy in front of the configured domains.

    SIGHUP reads the configuration and the certificates again; SIGTERM lets requests in flight end, a second
    one does not. Requests go to server.access_log; what goes wrong is told on standard error, in JSON.
    """
    from kmproxy.serving import logs
    from kmproxy.serving.serve import serve as serving

    logs.set_up()
    run(serving(configured(config), config, lambda line: out.print(line, markup=False)))


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check the configuration: every problem with its line, the cookie scopes, each upstream."""
    from kmproxy.report import report

    run(report(configured(config), out))


app.command()(explain)
app.add_typer(outbox.app, name="outbox")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    out.print(json.dumps(config_schema(), indent=2), markup=False)


@app.command()
def demo(
    walk: Annotated[
        bool, typer.Option("--check", help="Walk the journey, print each step, exit 0 if all held.")
    ] = False,
) -> None:
    """Two demo sites and a proxy on *.localhost: watch one visitor stay one person."""
    from kmproxy.demo.run import check_demo, run_demo

    if walk:
        if not asyncio.run(check_demo(out)):
            raise typer.Exit(1)
        return
    run(run_demo(out))
