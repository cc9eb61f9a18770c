"""``kmproxy explain``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kmproxy.cli.common import AsJson, ConfigFile, end, out, read, run
from kmproxy.cli.words import printable
from kmproxy.config import locate


def explain(
    url: Annotated[str, typer.Argument(metavar="URL", help="What the browser asks for.")],
    came_from: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="PAGE",
            help="The page the click came from: its URL, a file with its HTML, or both (say it twice)."
            " Sets the Referer and explains the page's links.",
        ),
    ] = None,
    cookie: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A cookie of the browser, for both pages; may be repeated."),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="A request header, instead of a browser's own."),
    ] = None,
    method: Annotated[str, typer.Option(metavar="METHOD", help="The request's method.")] = "GET",
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The HTML that URL is answered with: explains its links."),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Ask the domain's upstream for the page (with --from, for that one)."),
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell what would happen to a request and to a page's links, and why.

    The request is a click in a browser on PAGE, or a typed URL without --from; --header and --cookie
    change it. Printed are the site and domain, the visitor as each provider knows them, every
    decision with the line of the configuration behind it, the cookies and tracking calls that would be
    made, and which links would be decorated or left alone.

    Nothing is stored and nothing is sent, but for a request to the upstream with --fetch. New IDs and
    times are always the same ones, so that the output can be compared. It holds the identities that
    were given: mind where you paste it.
    """
    from kmproxy.explain import QuestionError, Settings, explain, text
    from kmproxy.explain.ask import ask

    settings = read(lambda: Settings(*locate(config)))
    try:
        question = ask(settings, url, came_from or [], cookie or [], header or [], method, page, fetch=fetch)
    except QuestionError as error:
        end(printable(str(error)), 2)
    told = run(explain(settings, question))
    for line in [json.dumps(asdict(told), indent=2)] if as_json else text.lines(told):
        out.print(line if as_json else printable(line), markup=False)
