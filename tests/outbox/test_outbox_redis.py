from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from outbox_kit import Clock, call, names
from outbox_redis import RedisServer

from kmproxy.errors import OutboxError
from kmproxy.outbox import Outbox, open_outbox
from kmproxy.outbox.redis import RedisOutbox
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)


@pytest.fixture
def outbox(own_redis: RedisServer, clock: Clock) -> Iterator[Outbox]:
    with closing(RedisOutbox(own_redis.url, clock=clock, timeout=20.0)) as outbox:
        yield outbox


@pytest.fixture
def hurried(own_redis: RedisServer, clock: Clock) -> Iterator[Outbox]:
    with closing(RedisOutbox(own_redis.url, clock=clock, timeout=0.3)) as outbox:
        yield outbox


async def test_a_killed_redis_comes_back_with_every_call_its_lease_and_its_reason(
    own_redis: RedisServer, outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2"), call("bob", "3"), call("cleo", "4")])
    ann, bob = await outbox.claim(2, clock.now)
    await outbox.set_apart(bob.id, reason="HTTP 400")
    own_redis.kill()
    own_redis.start()
    assert names(await outbox.claim(9, clock.now)) == ["4"]
    assert [(apart.call.person, apart.reason) for apart in await outbox.refused(9)] == [("bob", "HTTP 400")]
    await outbox.done(ann.id)
    assert names(await outbox.claim(9, clock.now)) == ["2"]


async def test_a_redis_that_is_down_is_told_by_every_method_at_once_and_is_used_again_when_back(
    own_redis: RedisServer, outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1")])
    own_redis.kill()
    begun = time.monotonic()
    for asked in (
        outbox.put([call()]),
        asyncio.to_thread(outbox.put_blocking, [call()]),
        outbox.next_due(),
        outbox.claim(1, clock.now),
        outbox.done("1"),
        outbox.fail("1", retry_at=clock.now, reason=""),
        outbox.set_apart("1", reason=""),
        outbox.refused(1),
        outbox.replay(["1"]),
        outbox.stats(),
    ):
        with pytest.raises(OutboxError, match=r"outbox redis://127\.0\.0\.1:.*refused"):
            await asked
    assert time.monotonic() - begun < 5  # a machine may be busy; one that waits takes longer
    own_redis.start()
    await outbox.put([call("ann", "2")])
    assert (await outbox.stats()).waiting == 2


async def test_a_redis_that_hangs_is_not_waited_for_and_what_it_says_late_confuses_nobody(
    own_redis: RedisServer, hurried: Outbox, clock: Clock
) -> None:
    await hurried.put([call("ann", "1")])
    own_redis.signal(signal.SIGSTOP)
    begun = time.monotonic()
    tries = [hurried.put([call("bob", "2")]), asyncio.to_thread(hurried.put_blocking, [call("bob", "3")])]
    tries += [hurried.put([call("bob", str(number))]) for number in range(20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(result) for result in results} == {OutboxError}
    assert time.monotonic() - begun < 5  # a machine may be busy; one that waits takes longer
    own_redis.signal(signal.SIGCONT)
    await asyncio.sleep(0.35)  # the batch that was under way ends
    [claimed] = [claimed for claimed in await hurried.claim(9, clock.now) if claimed.call.person == "ann"]
    assert names([claimed]) == ["1"]
    assert await hurried.next_due() != {}


async def test_one_that_is_down_when_opened_is_used_once_it_is_up(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.kill()
    with closing(open_outbox(own_redis.url)) as outbox:
        assert "refused" in caplog.text
        with pytest.raises(OutboxError, match="refused"):
            await outbox.put([call()])
        own_redis.start()
        await outbox.put([call()])
        assert (await outbox.stats()).waiting == 1


async def test_scripts_that_redis_forgot_are_sent_again(own_redis: RedisServer, outbox: Outbox) -> None:
    for _ in range(3):
        with own_redis.client() as client:
            client.script_flush()
        await asyncio.gather(*(outbox.put([call(str(person))]) for person in range(50)))
    assert (await outbox.stats()).waiting == 150


async def test_ids_are_not_used_again_even_if_redis_lost_everything(
    own_redis: RedisServer, outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1")])
    [lost] = await outbox.claim(1, clock.now)
    with own_redis.client() as client:
        client.flushall()
    await outbox.put([call("ann", "2")])
    await outbox.done(lost.id)
    assert names(await outbox.claim(1, clock.now)) == ["2"]


async def test_a_full_redis_refuses_calls_whole_and_still_delivers_what_it_has(
    own_redis: RedisServer, outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2"), call("bob", "3"), call("cleo", "4")])
    with own_redis.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(OutboxError, match="maxmemory"):
            await outbox.put([call("dora"), call("eve")])
        assert (await outbox.stats()).fullness > 1
        first, second, third = await outbox.claim(9, clock.now)
        await outbox.done(first.id)
        await outbox.set_apart(second.id, reason="HTTP 400")
        await outbox.fail(third.id, retry_at=clock.now + 1, reason="HTTP 500")
        assert names(await outbox.claim(9, clock.now + 1)) == ["2", "4"]
        assert (await outbox.stats()).waiting == 2
        client.config_set("maxmemory", "0")
    await outbox.put([call("dora")])
    stats = await outbox.stats()
    assert (stats.waiting, stats.fullness) == (3, 0.0)


async def test_nothing_is_kept_of_persons_whose_calls_were_delivered(
    own_redis: RedisServer, outbox: Outbox, clock: Clock
) -> None:
    await outbox.put([call("ann", "1"), call("ann", "2"), call("bob", "3", provider="mixpanel")])
    while claims := await outbox.claim(9, clock.now):
        for claimed in claims:
            await outbox.fail(claimed.id, retry_at=clock.now, reason="HTTP 500")
            await outbox.done(claimed.id)
    assert await outbox.next_due() == {}
    with own_redis.client() as client:
        assert {key.rpartition(b":")[2] for key in client.scan_iter()} == {b"calls", b"last", b"version"}
        assert client.xlen("{kmproxy}:outbox:calls") == 0


async def test_a_layout_of_a_newer_version_is_refused(own_redis: RedisServer, outbox: Outbox) -> None:
    with own_redis.client() as client:
        client.set("{kmproxy}:outbox:version", "2")
    with pytest.raises(OutboxError, match="version 2; this kmproxy knows version 1 only"):
        await outbox.put([call()])


async def test_what_cant_be_encoded_fails_alone(outbox: Outbox) -> None:
    bad = TrackingCall("kissmetrics", "ann", "GET", "https://vendor.example/\udc80")
    results = await asyncio.gather(
        outbox.put([call()]),
        outbox.put([call("bob"), bad]),
        outbox.done("\udc80"),
        outbox.put([call()]),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), OutboxError, type(None), type(None)]
    assert (await outbox.stats()).waiting == 2


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (("--appendonly", "no"), "set appendonly yes"),
        (("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "set maxmemory-policy noeviction"),
        (("--maxmemory", "100mb"), ""),
    ],
)
def test_a_redis_set_so_that_it_loses_calls_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: tuple[str, ...], warning: str
) -> None:
    server = RedisServer(tmp_path, *options)
    server.start()
    with caplog.at_level(logging.WARNING):
        open_outbox(server.url).close()
    server.kill()
    assert (warning in caplog.text) if warning else not caplog.records


def test_a_password_and_a_database_are_taken_from_the_url_and_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(tmp_path, "--requirepass", "S/CRET@1")
    server.start()
    base = f"127.0.0.1:{server.port}"
    with closing(open_outbox(f"redis://:S%2FCRET%401@{base}/3")) as outbox:
        outbox.put_blocking([call()])
    for url in (f"redis://:CRETIN@{base}/3", f"redis://{base}", f"redis://:S%2FCRET%401@{base}/99"):
        with pytest.raises(OutboxError, match=f"outbox redis://{base}") as refusal:
            open_outbox(url)
        assert "CRET" not in str(refusal.value) + caplog.text
    server.kill()
