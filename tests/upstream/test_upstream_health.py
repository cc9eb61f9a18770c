"""When an upstream is put aside, for how long, and what brings it back; on a clock of our own."""

from __future__ import annotations

import asyncio

from scripted import Upstream, always, answers, listening, until

from kmproxy.upstream import Address, Health, Probe
from kmproxy.upstream.health import FAILURES, FIRST_TIME, LONGEST_TIME


def aside(now: float = 0.0) -> Health:
    health = Health()
    for _ in range(FAILURES):
        health.failed(now)
    return health


def test_one_failure_is_bad_luck_and_several_in_a_row_put_aside() -> None:
    health = Health()
    told = []
    for _ in range(FAILURES):
        assert health.admits(0)
        told.append(health.failed(0))
    assert told == [False] * (FAILURES - 1) + [True]
    assert not health.admits(FIRST_TIME / 2)


def test_an_answer_between_failures_clears_them() -> None:
    health = Health()
    for _ in range(FAILURES * 2):
        health.failed(0)
        assert not health.answered()
    assert health.admits(0)


def test_one_request_is_let_through_to_see_and_the_next_must_wait_twice_as_long() -> None:
    health = aside()
    assert health.admits(FIRST_TIME)
    assert not health.admits(FIRST_TIME)
    health.failed(FIRST_TIME)
    assert not health.admits(2.9 * FIRST_TIME)
    assert health.admits(3 * FIRST_TIME)


def test_the_time_aside_grows_to_a_bound() -> None:
    health, now, times = aside(), 0.0, []
    for _ in range(9):
        times.append(health.until - now)
        now = health.until
        assert health.admits(now)
        health.failed(now)
    assert times[:3] == [FIRST_TIME, 2 * FIRST_TIME, 4 * FIRST_TIME]
    assert times[-2:] == [LONGEST_TIME, LONGEST_TIME]


def test_many_that_fail_at_once_count_as_one_reason_to_wait() -> None:
    health = Health()
    assert sum(health.failed(0) for _ in range(100)) == 1
    assert health.until == FIRST_TIME


def test_an_answer_brings_it_back_as_if_nothing_had_been() -> None:
    health = aside()
    assert health.is_aside
    assert health.answered()
    assert health.admits(0)
    assert not health.is_aside
    for _ in range(FAILURES):
        health.failed(9)
    assert health.until == 9 + FIRST_TIME


class Probed:
    """A probe at short intervals, and what it told."""

    def __init__(self, upstream: Upstream, path: str = "/up") -> None:
        self.told: list[bool] = []
        address = Address("127.0.0.1", upstream.port)
        self.probe = Probe(address, "a.example", path, 0.01, lambda: self.told.append(self.probe.passes))


async def test_a_probe_asks_for_its_path_at_the_domains_host_on_a_connection_of_its_own() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await reader.read()

    async with listening(script) as upstream:
        probed = Probed(upstream, "/up?deep=1")
        await until(lambda: len(upstream.requests) > 2)
        probed.probe.close()
    assert upstream.requests[0].startswith(
        b"GET /up?deep=1 HTTP/1.1\r\nHost: a.example\r\nUser-Agent: kmproxy/"
    )
    assert upstream.connections >= len(upstream.requests)
    assert probed.told == []


async def test_the_first_check_decides_alone_and_one_success_brings_back() -> None:
    down = True

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = b"503 Down" if down else b"302 Found"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        await reader.read()

    async with listening(script) as upstream:
        probed = Probed(upstream)
        await until(lambda: probed.told == [False])
        down = False
        await until(lambda: probed.told == [False, True])
        down = True
        await until(lambda: probed.told == [False, True, False])
        probed.probe.close()


async def test_one_failed_check_of_a_healthy_upstream_is_bad_luck() -> None:
    checks = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal checks
        await reader.readuntil(b"\r\n\r\n")
        checks += 1
        if checks % 2:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await reader.read()

    async with listening(script) as upstream:
        probed = Probed(upstream)
        await until(lambda: checks > 6)
        probed.probe.close()
    assert probed.told == []


async def test_a_check_that_is_not_answered_whole_fails() -> None:
    for script in (
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then_close=True),
        always(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        always(b"SSH-2.0-x\r\n\r\n"),
    ):
        async with listening(script) as upstream:
            probed = Probed(upstream)
            await until(lambda probed=probed: probed.told == [False])  # type: ignore[misc]
            probed.probe.close()
