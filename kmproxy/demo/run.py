"""``kmproxy demo``: the stage, and who watches it."""

from __future__ import annotations

import aiohttp
from rich.console import Console
from rich.text import Text

from kmproxy.demo.browser import Browser
from kmproxy.demo.cast import Cast
from kmproxy.demo.journey import Journey
from kmproxy.demo.names import ADA, BLOG, SHOP
from kmproxy.demo.stage import Stage, stage
from kmproxy.demo.steps import steps
from kmproxy.demo.walk import walk
from kmproxy.signals import told_to_stop

FRIENDLY_PORT = 8080

_TIMEOUT = aiohttp.ClientTimeout(total=4.0)


async def run_demo(console: Console) -> None:
    """Serve the demo and print the visitors' journeys until SIGINT, SIGTERM or cancellation."""
    journey = Journey(console)
    # Whoever reads the greeting may stop the demo at once, so the signals are ours before that.
    with told_to_stop() as stop:
        async with stage(journey, on_heard=journey.heard, ports=(FRIENDLY_PORT, 0)) as up:
            _greet(console, up)
            await stop.wait()
    console.print("\n  The demo is over; nothing of it is left.")


async def check_demo(console: Console) -> bool:
    """Walk the demo's journey as a browser would, print each step; whether all held."""
    console.print("\n  kmproxy demo: one visitor, two domains, two vendors\n", style="bold")
    async with stage() as up, _session() as session:
        cast = Cast(up, Browser(session, up.port), Browser(session, up.port))
        return await walk(steps(cast), console)


def _greet(console: Console, up: Stage) -> None:
    console.print("\n  kmproxy demo: one visitor, two domains, two vendors\n", style="bold")
    console.print(Text.assemble("  Open  ", (up.url(BLOG), "bold cyan underline")))
    console.print(Text.assemble("  and   ", (up.url(SHOP), "bold cyan underline"), "\n"))
    for line in _guide(up):
        console.print(Text(f"  {line}"))


def _guide(up: Stage) -> tuple[str, ...]:
    return (
        "1  The blog gives you an identity with its first page. Its links to the shop carry it.",
        "2  Follow one: the shop knows the same person, and its address bar is clean.",
        f"3  Open the letter there and follow its link: you are {ADA}, and the vendors are told.",
        "4  Go back to the blog: it knows the name too. A private window is another visitor.",
        "",
        "curl and headless browsers count as crawlers and get the pages as they are; as a visitor would:",
        f"curl -i -A Mozilla/5.0 -H 'Accept: text/html' {up.url(BLOG)}",
        "",
        "The vendors are a stand-in on this machine: nothing leaves it. Ctrl-C ends the demo.",
    )


def _session() -> aiohttp.ClientSession:
    """Each visitor keeps its own cookies, so the session keeps none."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT, trust_env=False)
