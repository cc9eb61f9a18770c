from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from outbox_desk import Desk
from outbox_kit import eventually
from outbox_vendor import hang, ok, status

from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


class Mixpanel:
    """Takes or refuses the whole of what it is sent, or names what it refused."""

    def __init__(self, *, names: bool = False, refuses: str = "") -> None:
        self._names = names
        self._refuses = refuses
        self.sizes: list[int] = []
        self.took: list[tuple[str, str]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        events = [(made["_p"], made["_n"]) for made in await request.json()]
        self.sizes.append(len(events))
        failed = [at for at, (person, _) in enumerate(events) if person == self._refuses]
        if failed and not self._names:
            return web.json_response({"status": 0, "error": "some data points are invalid"})
        self.took += [made for at, made in enumerate(events) if at not in failed]
        if not failed:
            return web.json_response({"status": 1, "error": None})
        records = [{"index": at, "field": "event", "message": "invalid"} for at in failed]
        said = {"num_records_imported": len(events) - len(failed), "failed_records": records}
        return web.json_response(said, status=400)


def event(desk: Desk, person: str, name: str) -> TrackingCall:
    body = json.dumps([{"_p": person, "_n": name}]).encode()
    return TrackingCall(
        "mixpanel", person, "POST", f"{desk.base}/track", (("Content-Type", "application/json"),), body
    )


async def test_a_backlog_leaves_in_few_requests_and_each_persons_calls_in_order(desk: Desk) -> None:
    mixpanel = desk.vendor.usual = Mixpanel()
    await desk.put(
        *(event(desk, f"person {person}", str(name)) for name in range(3) for person in range(500))
    )
    await eventually(lambda: len(desk.delivered) == 1500)
    assert len(mixpanel.sizes) <= 6
    assert len(set(mixpanel.took)) == len(mixpanel.took) == 1500
    for person in range(500):
        assert [name for who, name in mixpanel.took if who == f"person {person}"] == ["0", "1", "2"]


@pytest.mark.parametrize("names", [False, True], ids=["the whole is refused", "the one is named"])
async def test_one_bad_call_among_many_is_set_apart_and_the_others_are_delivered(
    desk: Desk, names: bool
) -> None:
    mixpanel = desk.vendor.usual = Mixpanel(names=names, refuses="person 70")
    await desk.put(*(event(desk, f"person {person}", "1") for person in range(100)))
    await eventually(lambda: ("mixpanel", "refused") in desk.results and len(desk.delivered) == 99)
    assert len(set(mixpanel.took)) == len(mixpanel.took) == 99
    [apart] = await desk.outbox.refused(9)
    assert apart.call.person == "person 70"
    assert (await desk.outbox.stats()).waiting == 0
    assert len(mixpanel.sizes) <= (1 if names else 30)


async def _tried(desk: Desk, times: int) -> None:
    await eventually(lambda: len(desk.results) >= times)


async def test_after_failures_requests_are_small_until_the_vendor_takes_them_again(desk: Desk) -> None:
    desk.vendor.usual = status(503)
    await desk.put(*(event(desk, str(person), "1") for person in range(64)))
    for tries in range(1, 8):
        await _tried(desk, 64 * tries)
        await desk.later(3600)
    mixpanel = desk.vendor.usual = Mixpanel()
    await desk.later(3600)
    while len(desk.delivered) < 64:
        await desk.later(3600)
        await asyncio.sleep(0.002)
    assert mixpanel.sizes[0] == 1
    assert max(mixpanel.sizes) > 4
    assert len(set(mixpanel.took)) == 64


async def test_a_vendor_that_answers_is_spoken_to_on_one_connection(desk: Desk) -> None:
    connections = set()

    async def look(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        connections.add(request.transport.get_extra_info("peername"))
        return await ok(request)

    desk.vendor.usual = look
    await desk.put(*(desk.call(str(person), "1") for person in range(100)))
    await eventually(lambda: len(desk.delivered) == 100)
    assert len(connections) == 1


async def test_calls_that_hang_or_fail_hold_up_the_others_no_longer_than_it_takes_to_tell(desk: Desk) -> None:
    await desk.sender.stop()
    desk.timeout = 0.2
    await desk.sender.start()
    until = asyncio.Event()

    async def reluctant(request: web.Request) -> web.StreamResponse:
        if request.query["_p"] in ("7", "13"):
            return await hang(until)(request)
        return await (status(500) if request.query["_p"] == "50" else ok)(request)

    desk.vendor.usual = reluctant
    await desk.put(*(desk.call(str(person), "1") for person in range(100)))
    await eventually(lambda: len(desk.delivered) == 97)
    until.set()
    desk.vendor.usual = ok
    while len(desk.delivered) < 100:
        await desk.later(3600)
        await asyncio.sleep(0.002)
    assert {person for person, _ in desk.vendor.took} == {str(person) for person in range(100)}
