"""From one domain to the other."""

from __future__ import annotations

import asyncio

from outbox_chaos import Arrival

from . import site
from .jar import Jar
from .record import REDIS
from .visitor import Visitor

_ATTEMPTS = 20


async def leave(visitor: Visitor, host: str) -> None:
    """By a redirect, which names the visitor."""
    answer = await visitor.browser.get(host, "/leave")
    if visitor.judge.is_good("redirect", host, answer, 302):
        expected = site.leads(host) + visitor.browser.jars[host].query("&")
        if answer.header("location") != expected:
            visitor.record.fault("wrong identity", f"{answer.header('location')}, not {expected}")


async def arrive(visitor: Visitor, host: str) -> None:
    """By a link that names this visitor, once more if there was no answer; then see the clean page."""
    visitor.deeds += 1
    for attempt in range(_ATTEMPTS):
        arrival = Arrival(visitor.name, visitor.deeds, attempt)
        jar = visitor.browser.jars[site.SHOP] = Jar(arrival.headers["Cookie"])
        answer = await visitor.browser.get(site.SHOP, arrival.target)
        if answer.status == 200 and visitor.record.excuse(answer.begun, REDIS):
            visitor.record.excused[REDIS] += 1
            return
        if visitor.judge.is_good("arrival", site.SHOP, answer, 302):
            break
        await asyncio.sleep(0.2)
    else:
        return
    if "km_ni" not in jar.header or answer.header("location") != "/":
        visitor.record.fault("not identified", f"{arrival} {answer.headers}")
    visitor.world.promised |= arrival.calls
    if jar.identity != visitor.name:
        visitor.record.fault("wrong identity", f"{jar.identity} arrived, not {visitor.name}")
    visitor.check_page("page", site.SHOP, await visitor.browser.get(site.SHOP, "/"), 0)
