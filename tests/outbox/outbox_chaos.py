"""Proxies that are killed while visitors arrive, and a vendor that fails in every way there is."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote

import aiohttp
from aiohttp import web
from outbox_vendor import reset

TOKEN = "token"

# A test has no hour to wait: everything is as it is, but quicker.
_NODE = """
import sys
from kmproxy.outbox import sender, settle, vendor
from kmproxy.outbox.backoff import delay
from kmproxy.outbox.redis import RedisOutbox

sender._LOOK_AGAIN = 0.1
settle.delay = lambda attempts, random: min(delay(attempts, random) / 20, 0.5)
sender.Sender.__init__.__kwdefaults__["vendors"] = lambda: vendor.Vendors(0.5)
RedisOutbox.__init__.__kwdefaults__.update(lease=2.0, timeout=3.0)

from kmproxy.cli import app
app(["serve", "-c", sys.argv[1]])
"""

_CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
admin = ""
[outbox]
url = "{outbox}"
[[site]]
name = "acme"
kissmetrics = {{ api_key = "key", endpoint = "{vendor}" }}
mixpanel = {{ token = "{token}", endpoint = "{vendor}" }}
domain = [{{ host = "shop.example" }}, {{ host = "blog.example" }}]
"""


class Node:
    """One ``kmproxy serve`` after the other, on one port: a proxy with its sender."""

    def __init__(self, folder: Path, name: str, outbox: str, vendor: str) -> None:
        self._port = _free_port()
        self._config, self._log = folder / f"{name}.toml", folder / f"{name}.log"
        self._config.write_text(_CONFIG.format(port=self._port, outbox=outbox, vendor=vendor, token=TOKEN))
        self.url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await self._started(log)

    async def _started(self, log: IO[bytes]) -> asyncio.subprocess.Process:
        arguments = [sys.executable, "-c", _NODE, str(self._config)]
        return await asyncio.create_subprocess_exec(*arguments, stdout=log, stderr=log)

    async def kill(self) -> None:
        """Harmless twice."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def log(self) -> str:
        return self._log.read_text()


class Arrival(NamedTuple):
    """One request of a visitor who is anonymous there and named ``person`` by the link."""

    person: str
    number: int
    attempt: int

    @property
    def name(self) -> str:
        return f"{self.number:05}.{self.attempt}"

    @property
    def headers(self) -> dict[str, str]:
        device = f"device {self.person} {self.name}"
        stored = json.dumps({"distinct_id": f"$device:{device}", "$device_id": device})
        cookies = f"km_ai={quote(f'{self.person} {self.name}')}; mp_{TOKEN}_mixpanel={quote(stored)}"
        browser = {"User-Agent": "Mozilla/5.0 Firefox/140.0", "Accept": "text/html"}
        return {"Host": "shop.example", "Cookie": cookies, **browser}

    @property
    def target(self) -> str:
        return f"/?kmi={self.person}&distinct_id={self.person}&kme={self.name}"

    @property
    def calls(self) -> set[Call]:
        """What the vendors must be told, once this arrival was answered."""
        said = f"{self.person} {self.name}"
        return {
            Call("kissmetrics", self.person, "/a", said),
            Call("kissmetrics", self.person, "/e", self.name),
            Call("mixpanel", self.person, "$identify", f"$device:device {said}"),
        }


class Call(NamedTuple):
    """A tracking call, but for its keys against duplicates; those of one person sort as they were made."""

    vendor: str
    person: str
    what: str
    said: str

    @property
    def order(self) -> tuple[str, str]:
        return self.said.rpartition(" ")[2], self.what


class Visitors:
    """Who arrive, one visit after the other, at whichever URL answers; again and again until one does."""

    def __init__(self, urls: Sequence[str], persons: int, visits: int, rng: random.Random) -> None:
        self._urls = urls
        self._persons = persons
        self._visits = visits
        self._rng = rng
        self.accepted: list[Arrival] = []
        self.refused = 0
        self.came = asyncio.Condition()

    async def arrive(self) -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as client:
            await asyncio.gather(*(self._come(client, f"p{at}") for at in range(self._persons)))

    async def have_come(self, count: int) -> None:
        async with self.came:
            await self.came.wait_for(lambda: len(self.accepted) >= count)

    async def _come(self, client: aiohttp.ClientSession, person: str) -> None:
        for number in range(self._visits):
            arrival = Arrival(person, number, 0)
            while not await self._is_accepted(client, arrival):
                self.refused += 1
                arrival = arrival._replace(attempt=arrival.attempt + 1)
                await asyncio.sleep(0.2)
            self.accepted.append(arrival)
            async with self.came:
                self.came.notify_all()

    async def _is_accepted(self, client: aiohttp.ClientSession, arrival: Arrival) -> bool:
        url = self._rng.choice(self._urls) + arrival.target
        try:
            async with client.get(url, headers=arrival.headers, allow_redirects=False) as answer:
                return answer.status == 302 and "km_ni" in answer.headers.get("Set-Cookie", "")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


WEIGHTS = {"ok": 80, "fail": 6, "reset": 3, "take and reset": 5, "slow": 4, "hang": 1}


class Chaos:
    """A vendor that answers, fails, resets, takes a call and resets, takes its time, or never answers."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.weights = WEIGHTS
        """How often it does each."""
        self.took: dict[Call, set[str]] = defaultdict(set)
        """In the order they came first: what made each the same call."""
        self.times = 0

    def _kind(self) -> str:
        return self._rng.choices([*self.weights], [*self.weights.values()])[0]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        kind = self._kind()
        if kind == "fail":
            return web.Response(status=500)
        if kind in ("slow", "hang"):
            await asyncio.sleep(0.02 if kind == "slow" else 1)
        if kind != "reset":
            self._take(await request.read(), request)
        if kind in ("reset", "take and reset"):
            return await reset(request)
        return web.json_response({"status": 1})

    def _take(self, body: bytes, request: web.Request) -> None:
        for call, key in _calls(body, request):
            self.took[call].add(key)
            self.times += 1


def out_of_order(took: Iterable[Call], expected: set[Call]) -> list[tuple[str, str]]:
    """Vendor and person of those whose ``expected`` calls were not taken in the order they were made."""
    came = sorted((call for call in took if call in expected), key=lambda call: call[:2])
    found = []
    for person, calls in groupby(came, key=lambda call: call[:2]):
        order = [call.order for call in calls]
        if order != sorted(order):
            found.append(person)
    return found


def _calls(body: bytes, request: web.Request) -> Iterator[tuple[Call, str]]:
    query = request.query
    if request.path == "/a":
        yield Call("kissmetrics", query["_n"], "/a", query["_p"]), query["_t"]
    elif request.path == "/e":
        yield Call("kissmetrics", query["_p"], "/e", query.get("visit", query["_n"])), query["_t"]
    else:
        for made in json.loads(body):
            said = made["properties"]
            what = said.get("visit") or said["$anon_distinct_id"]
            call = Call("mixpanel", said["distinct_id"], made["event"], what)
            yield call, f"{said['time']} {said['$insert_id']}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
