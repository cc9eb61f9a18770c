"""One visitor: asks, reads what comes to the last byte, and knows whose it must be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import aiohttp
from outbox_chaos import Arrival

from . import site
from .connection import Answer, Connection, asking
from .jar import Jar
from .record import Record

_UNAVAILABLE = (502, 503, 504)

_REQUESTS = 40
"""On a connection, about; then another: else all would end up with the worker that is never killed."""


@dataclass
class World:
    """What all visitors share."""

    port: int
    pace: float
    """Seconds between two requests of a visitor, on average."""
    record: Record
    client: aiohttp.ClientSession
    """For the WebSockets."""
    accepted: list[Arrival] = field(default_factory=list)
    """The arrivals that were answered with their redirect."""


class Visitor:
    """Anonymous at first on each domain; arrives at the shop by links that name them."""

    def __init__(self, number: int, world: World, seed: int) -> None:
        self._name = f"p{number}"
        self._world, self._record = world, world.record
        self._luck = random.Random(f"{seed} {number}")
        self._jars = {site.BLOG: Jar(), site.SHOP: Jar()}
        self._connection: Connection | None = None
        self._visits = 0
        self._actions: dict[Callable[[str], object], float] = {
            self._see_page: 40,
            self._see_own: 14,
            self._see_slow: 4,
            self._see_cut: 1,
            self._see_asset: 28,
            self._leave: 5,
            self._arrive: 4,
            self._listen: 2,
            self._talk: 2,
        }

    async def live(self, until: float) -> None:
        """Until ``until``, of the monotonic clock."""
        await asyncio.sleep(self._luck.random() * 2 * self._world.pace)
        while monotonic() < until:
            action = self._luck.choices([*self._actions], [*self._actions.values()])[0]
            await action(self._luck.choice((site.BLOG, site.SHOP)))  # type: ignore[misc]
            await asyncio.sleep(self._luck.expovariate(1 / self._world.pace))
        if self._connection:
            self._connection.close()

    async def _see_page(self, host: str) -> None:
        number = self._luck.randrange(site.PAGES)
        answer = await self._ask(host, f"/page/{number}")
        if answer.whole and answer.status == 200:
            self._record.took.append(answer.ended - answer.begun)
        self._check_page("page", host, answer, number)

    async def _see_own(self, host: str) -> None:
        number = self._luck.randrange(site.PAGES)
        self._check_page("unique page", host, await self._ask(host, f"/own/{number}"), number, own=True)

    async def _see_slow(self, host: str) -> None:
        number = self._luck.randrange(site.PAGES)
        self._check_page("slow page", host, await self._ask(host, f"/slow/{number}"), number, own=True)

    async def _see_cut(self, host: str) -> None:
        answer = await self._ask(host, f"/cut/{self._luck.randrange(site.PAGES)}")
        if answer.whole and answer.status not in _UNAVAILABLE:
            self._record.fault("a truncated page told as whole", f"{self._name} {host} {answer.status}")
        self._check_strangers(host, answer.decoded())
        self._record.done("page that the upstream cut")

    async def _see_asset(self, host: str) -> None:
        number = self._luck.randrange(site.ASSETS)
        answer = await self._ask(host, f"/asset/{number}", accept="image/*")
        if self._is_good("asset", host, answer) and answer.body != site.asset(number):
            self._record.fault("another asset's bytes", f"{self._name} {host} /asset/{number}")

    async def _leave(self, host: str) -> None:
        answer = await self._ask(host, "/leave")
        if self._is_good("redirect", host, answer, 302):
            expected = site.leads(host) + self._jars[host].query("&")
            if answer.header("location") != expected:
                self._record.fault("wrong identity", f"{answer.header('location')}, not {expected}")

    async def _listen(self, host: str) -> None:
        """Hear an event stream out."""
        answer = await self._ask(host, "/events", accept="text/event-stream")
        expected = b"".join(site.event(self._name, number) for number in range(site.EVENTS))
        heard = answer.body if answer.status == 200 else b""
        whole = self._is_good("event stream", host, answer)
        if not expected.startswith(heard) or (whole and heard != expected):
            self._record.fault("events lost or out of order", f"{self._name} {heard!r}")

    async def _arrive(self, host: str) -> None:
        """By a link that names this visitor, once more if there was no answer; then see the clean page."""
        self._visits += 1
        for attempt in range(20):
            arrival = Arrival(self._name, self._visits, attempt)
            jar = self._jars[site.SHOP] = Jar(arrival.headers["Cookie"])
            answer = await self._ask(site.SHOP, arrival.target)
            if answer.status == 200 and self._record.excuse(answer.begun, "Redis"):
                self._record.excused["Redis"] += 1
                return
            if self._is_good("arrival", site.SHOP, answer, 302):
                break
            await asyncio.sleep(0.2)
        else:
            return
        if "km_ni" not in jar.header or answer.header("location") != "/":
            self._record.fault("not identified", f"{arrival} {answer.headers}")
        self._world.accepted.append(arrival)
        if jar.identity != self._name:
            self._record.fault("wrong identity", f"{jar.identity} arrived, not {self._name}")
        self._check_page("page", site.SHOP, await self._ask(site.SHOP, "/"), 0)

    async def _talk(self, host: str) -> None:
        """Have a WebSocket say everything back."""
        begun = monotonic()
        said = [self._luck.randbytes(self._luck.choice((5, 200, 70_000))) for _ in range(site.EVENTS)]
        headers = {"Host": host, "X-Visitor": self._name, "Cookie": self._jars[host].header}
        url = f"http://127.0.0.1:{self._world.port}/socket"
        try:
            async with asyncio.timeout(60), self._world.client.ws_connect(url, headers=headers) as echo:
                for message in said:
                    await echo.send_bytes(message)
                    if await echo.receive_bytes() != message:
                        self._record.fault("another WebSocket's bytes", f"{self._name} {host}")
                    await asyncio.sleep(site.PAUSE)
        except (aiohttp.ClientError, TimeoutError, OSError, TypeError) as error:
            self._judge("WebSocket", begun, repr(error), "worker", host)
        else:
            self._record.done("WebSocket")

    async def _ask(self, host: str, target: str, accept: str = "text/html,*/*;q=0.8") -> Answer:
        """What comes; the cookies it sets are kept."""
        begun = monotonic()
        jar = self._jars[host]
        fields = {"X-Visitor": self._name, "Cookie": jar.header}
        answer = await self._asked(asking(host, target, accept, **fields))
        answer.begun = begun
        jar.take(answer.headers)
        return answer

    async def _asked(self, request: bytes) -> Answer:
        connection = self._connection
        if connection is None or connection.closed or connection.asked >= self._luck.gauss(_REQUESTS, 10):
            if connection:
                connection.close()
            try:
                self._connection = connection = await Connection.to(self._world.port)
            except OSError:
                return Answer()
        return await connection.ask(request)

    def _check_page(self, what: str, host: str, answer: Answer, number: int, *, own: bool = False) -> None:
        jar = self._jars[host]
        if not self._is_good(what, host, answer):
            self._check_strangers(host, answer.decoded())
            return
        html = answer.decoded()
        who = f"{self._name} {jar.identity}" if own else "nobody"
        expected = site.page(host, number, who, jar.query("&amp;").encode())
        if html != expected:
            self._record.fault(
                "wrong page", f"{self._name} {host} {what} {number}: {_difference(html, expected)}"
            )
            self._check_strangers(host, html)

    def _check_strangers(self, host: str, html: bytes) -> None:
        """Also what came of a page that broke off holds nobody else's identity."""
        for parameter in self._jars[host].parameters:
            name, value = (part.encode() for part in parameter.split("="))
            for rest in html.split(name + b"=")[1:]:
                if not rest.startswith(value) and not value.startswith(rest):
                    self._record.fault("wrong identity", f"{self._name} {host}: {rest[:80]!r}")

    def _is_good(self, what: str, host: str, answer: Answer, status: int = 200) -> bool:
        """Whether that answer is whole and has that status; if not, whether something was down is judged."""
        if answer.whole and answer.status == status:
            self._record.done(what)
            return True
        seen = f"{answer.status}{'' if answer.whole else ', broken off'}"
        if answer.whole:
            reasons = [f"all of {host}"] if answer.status in _UNAVAILABLE else []
        else:
            reasons = ["worker", host] if answer.status else ["worker"]
        self._judge(what, answer.begun, seen, *reasons)
        return False

    def _judge(self, what: str, begun: float, seen: str, *reasons: str) -> None:
        excuse = self._record.excuse(begun, *reasons)
        if excuse:
            self._record.excused[excuse] += 1
        else:
            took = monotonic() - begun
            self._record.fault(
                "error while nothing was down", f"{what}: {seen} after {took:.3f} s, {reasons}"
            )


def _difference(got: bytes, expected: bytes) -> str:
    """Where they part."""
    pairs = enumerate(zip(got, expected, strict=False))
    at = next((number for number, (one, other) in pairs if one != other), min(len(got), len(expected)))
    near = slice(max(at - 20, 0), at + 60)
    return f"{len(got)} bytes, not {len(expected)}; at {at} {got[near]!r}, not {expected[near]!r}"
