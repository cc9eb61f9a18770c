"""``kmproxy outbox``, ``outbox replay``, ``outbox forget``.

They look and act beside a running server and never ask what is due or claim a call: with SQLite,
who asks takes over the sending.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from typing import Annotated, Any, TypeVar

import typer

from kmproxy.cli import outbox_report
from kmproxy.cli.common import AsJson, ConfigFile, configured, end, err, out, run
from kmproxy.cli.words import count
from kmproxy.outbox import Outbox, open_outbox

T = TypeVar("T")

BATCH = 1000
"""Calls set apart that are read, or queued again, at a time."""

app = typer.Typer()


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    config: ConfigFile = None,
    show: Annotated[
        bool, typer.Option("--show", help="Also print whose calls were set apart, and what they say.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the tracking calls that wait and those that were set apart; replay or forget them.

    Waiting calls are delivered by a running kmproxy, in order for each person, and tried again for up
    to a week. What a vendor refused for good, or did not take within the week, is set apart: it is kept,
    but tried no more until it is replayed. Works beside a running server, for SQLite and Redis. No
    identity is printed unless you say --show.
    """
    context.obj = config
    if context.invoked_subcommand is None:
        url, now = configured(config).outbox.url, time.time()
        place = outbox_report.place_of(url)
        found = _ask(url, lambda outbox: outbox_report.look(outbox, place, BATCH, now), aside=as_json)
        if as_json:
            _print(outbox_report.as_json(found or outbox_report.Standing(place, now), show=show))
        elif found:
            _print(outbox_report.lines(found, show=show))


@app.command()
def replay(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="As `kmproxy outbox` lists them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that were set apart.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Queue calls that were set apart as if new, behind their person's other calls."""
    if bool(ids) == every:
        end("name the calls to replay (`kmproxy outbox` lists their ids), or say --all", 2)
    asked = list(dict.fromkeys(ids or ()))
    url = configured(config or context.obj).outbox.url
    replayed = _ask(url, lambda outbox: _replay(outbox, asked), aside=as_json) or 0
    missing = max(len(asked) - replayed, 0)
    words = [f"{count(replayed, 'call')} queued again"]
    if missing:
        words.append(f"{missing} of the ids: no such call is set apart")
    _print({"replayed": replayed, "missing": missing} if as_json else words)
    raise typer.Exit(1 if missing else 0)


@app.command()
def forget(
    context: typer.Context,
    persons: Annotated[
        list[str], typer.Argument(metavar="ID", help="An identity, as in ann@acme.example or y75F…=.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete every call of these persons, waiting or set apart.

    A person's other identities are persons of their own: name each, the anonymous ones too (a Mixpanel
    device as $device:…). A call that is on its way at this moment may still arrive; what the vendors
    have by now, they have.
    """
    whom = list(dict.fromkeys(persons))
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete every waiting and set-apart call of {count(len(whom), 'person')}?", abort=True)
    url = configured(config or context.obj).outbox.url
    forgotten = _ask(url, lambda outbox: _forget(outbox, whom), aside=as_json) or 0
    _print({"forgotten": forgotten} if as_json else [f"{count(forgotten, 'call')} deleted"])


async def _replay(outbox: Outbox, ids: list[str]) -> int:
    if ids:
        return await outbox.replay(ids)
    replayed, left = 0, (await outbox.stats()).set_apart
    # One that is refused again meanwhile comes last: so many and no more, or it would never end.
    while left > 0 and (apart := await outbox.refused(min(left, BATCH))):
        left -= len(apart)
        replayed += await outbox.replay([call.id for call in apart])
    return replayed


async def _forget(outbox: Outbox, persons: list[str]) -> int:
    return sum([await outbox.forget(person) for person in persons])


def _ask(url: str, question: Callable[[Outbox], Awaitable[T]], *, aside: bool) -> T | None:
    """What the outbox answers; None where nothing was ever queued, which is said, ``aside`` on stderr."""
    file = outbox_report.file_of(url)
    if file and not file.exists():
        console = err if aside else out
        console.print(f"nothing has been queued yet: there is no {file}", markup=False)
        if not url.startswith("sqlite:/"):
            console.print("(its path counts from where `kmproxy serve` was started)")
        return None
    return run(_asked(url, question))


async def _asked(url: str, question: Callable[[Outbox], Awaitable[T]]) -> T:
    with closing(open_outbox(url)) as outbox:
        return await question(outbox)


def _print(answer: dict[str, Any] | Iterable[str]) -> None:
    for line in [json.dumps(answer, indent=2)] if isinstance(answer, dict) else answer:
        out.print(line, markup=False)
