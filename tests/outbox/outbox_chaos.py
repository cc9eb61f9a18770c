"""Workers that are killed while they put and send, and a vendor that fails in every way there is."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator

from aiohttp import web
from outbox_vendor import reset

WORKER = """
import hashlib, json, random, sys, time
from kmproxy.errors import OutboxError
from kmproxy.outbox import courier, sender, settle, vendor
from kmproxy.outbox.backoff import delay
from kmproxy.outbox.redis import RedisOutbox
from kmproxy.tracking import TrackingCall

url, base, worker, number, end = sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:])

# A test has no hour to wait: everything is as it is, but quicker.
sender._LOOK_AGAIN = 0.1
settle.delay = lambda attempts, random: min(delay(attempts, random) / 20, 0.5)
sender.Sender.__init__.__kwdefaults__["vendors"] = lambda: vendor.Vendors(0.5)
RedisOutbox.__init__.__kwdefaults__.update(lease=3.0, timeout=3.0)

def made(number):
    person, name, moment = f"{worker}-{number % 40}", f"{number:05}", 1_700_000_000 + number
    if number % 40 < 8:
        target = f"{base}/e?_p={person}&_n={name}&_t={moment}&_d=1"
        return TrackingCall("kissmetrics", person, "GET", target)
    insert_id = hashlib.sha256(f"{person} {name}".encode()).hexdigest()[:36]
    said = {"distinct_id": person, "time": moment, "$insert_id": insert_id}
    body = json.dumps([{"event": name, "properties": said}]).encode()
    headers = (("Content-Type", "application/json"),)
    return TrackingCall("mixpanel", person, "POST", base + "/track", headers, body)

courier = courier.Courier(url)
rng = random.Random(f"{worker} {number}")
while number < end:
    until = min(number + rng.randrange(1, 9), end)
    try:
        courier.put_blocking([made(at) for at in range(number, until)])
    except OutboxError:
        time.sleep(0.05)
    else:
        number = until
        print(number, flush=True)
courier.start()
sys.stdin.read()
"""


class Worker:
    """One process after the other, each going on behind what the last said was accepted."""

    def __init__(self, name: str, url: str, base: str, calls: int) -> None:
        self._arguments = [sys.executable, "-c", WORKER, url, base, name]
        self._calls = calls
        self.accepted = 0

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            str(self.accepted),
            str(self._calls),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.endswith(b"\n"):
                self.accepted = int(line)

    async def kill(self) -> None:
        self._process.kill()
        await self._reading
        await self._process.wait()


class Chaos:
    """A vendor that answers, fails, resets, takes a call and resets, takes its time, or never answers."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._kinds = iter(self._kind, None)
        self.took: dict[tuple[str, str], set[str]] = defaultdict(set)
        """By (person, name), in the order they came first: what made each the same call."""
        self.times = 0

    def _kind(self) -> str:
        weights = {"ok": 80, "fail": 6, "reset": 3, "take and reset": 5, "slow": 4, "hang": 1}
        return self._rng.choices([*weights], [*weights.values()])[0]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        kind = next(self._kinds)
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
        for person, name, key in _calls(body, request):
            self.took[person, name].add(key)
            self.times += 1


def _calls(body: bytes, request: web.Request) -> Iterator[tuple[str, str, str]]:
    if request.method == "GET":
        yield request.query["_p"], request.query["_n"], request.query["_t"]
    else:
        for made in json.loads(body):
            said = made["properties"]
            yield said["distinct_id"], made["event"], f"{said['time']} {said['$insert_id']}"
