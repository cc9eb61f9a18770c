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
from kmproxy.errors import QuestionError


def explain(
    url: Annotated[str, typer.Argument(metavar="URL", help="What the browser asks for.")],
    came_from: Annotated[
        str,
        typer.Option("--from", metavar="PAGE", help="The URL of the page that the click was on."),
    ] = "",
    cookie: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A cookie of the browser; may be repeated."),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'", help="A request header, instead of the browser's; may be repeated."
        ),
    ] = None,
    method: Annotated[str, typer.Option(metavar="METHOD", help="The request's method.")] = "GET",
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The HTML that URL is answered with: explains its links."),
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Ask the domain's upstream for that page instead.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell what would happen to a request and to a page's links, and why.

    The request is a click in a browser on a link of PAGE or, without --from, a typed URL; --header and
    --cookie change it. Told are the site and domain, the visitor as each provider knows them, every
    decision with the rule's name and the line of the configuration behind it, the cookies and tracking
    calls that would be made, where the browser would be sent, and of each link how it would be decorated
    or why not.

    Nothing is stored and nothing is sent, but for a request to the upstream with --fetch. New IDs and
    times are always the same ones, so that outputs can be compared. The output holds the identities that
    were given: mind where you paste it.
    """
    from kmproxy.explain import Settings, ask, explain, text

    settings = read(lambda: Settings(*locate(config)))
    try:
        question = ask(url, came_from, cookie or [], header or [], method, page, fetch=fetch)
    except QuestionError as error:
        end(printable(str(error)), 2)
    told = run(explain(settings, question))
    for line in [json.dumps(asdict(told), indent=2)] if as_json else text.lines(told):
        out.print(line if as_json else printable(line), markup=False)
