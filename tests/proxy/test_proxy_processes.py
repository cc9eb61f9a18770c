"""Real processes and real signals, under visitors who never stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from pathlib import Path

from aiohttp import web
from proxy_certificates import certificate, trusting
from proxy_served import BROWSER, Load, Served, configuration, served, upstream

GONE = """
  [[site.domain]]
  host = "gone.example"
  upstream = "http://127.0.0.1:9"
"""

IMPATIENT = "from kmproxy.serving import place; place._QUIET, place._MISSED = 1.0, 2"

REQUESTS = 'kmproxy_requests_total{site="acme"}'


async def test_no_request_fails_over_reloads_and_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    pair = certificate(tmp_path, "own", "a.example")
    tls = f"tls = [{pair.toml}]\n"
    async with (
        upstream(b"old") as old,
        upstream(b"new") as new,
        served(tmp_path, configuration(old, server=tls)) as server,
        Load(server.port, trusting()) as load,
    ):
        await load.more()
        server.write(configuration(new, server=tls + "workers = 2\n"))
        certificate(tmp_path, "own", "a.example")
        await server.reload()
        before = len(load.answers)
        await load.more()
        assert set(load.answers[:before]) <= {b"old", b"new"}
        assert set(load.answers[-20:]) == {b"new"}
        assert server.complaints[-1]["message"] == "restart to change server.workers"

        server.write(configuration(old, server='tls = [{ cert = "no.pem", key = "no.key" }]\nlistn = 1'))
        await server.reload()
        await load.more()
        problems = [line["message"] for line in server.complaints if "kmproxy.toml" in line["message"]]
        assert [problem.split(": ")[:2] for problem in problems] == [["kmproxy.toml:6", "server.listn"]]
        assert set(load.answers[-20:]) == {b"new"}

        server.write(configuration(old, server='tls = [{ cert = "no.pem", key = "no.key" }]'))
        await server.reload()
        assert "kmproxy.toml:5: server.tls[0].cert: no.pem can't be read" in server.complaints[-3]["message"]
        await load.more()
        assert set(load.answers[-20:]) == {b"new"}
    assert load.failures == []


async def test_workers_share_the_work_and_a_killed_one_is_replaced_and_no_call_is_lost(
    tmp_path: Path,
) -> None:
    heard: Counter[str] = Counter()
    async with (
        _vendor(heard) as vendor,
        upstream(b"old") as old,
        upstream(b"new") as new,
        served(tmp_path, configuration(old, server="workers = 2", endpoint=vendor) + GONE) as server,
    ):
        assert 'domain="gone.example"' in await _judged(server)
        async with Load(server.port) as load:
            await load.more()
            server.write(configuration(new, server="workers = 2", endpoint=vendor))
            await server.reload()
            await load.more()
        assert load.failures == []
        assert 'domain="a.example"' in await _judged(server)
        assert 'domain="gone.example"' not in await _judged(server)
        await server.counted(REQUESTS, len(load.answers))
        victim, _ = await server.workers()
        arriving = asyncio.create_task(_arrivals(server.port))
        await asyncio.sleep(0.1)
        os.kill(victim, signal.SIGKILL)
        promised = await arriving
        await server.ready()
        assert await server.count(REQUESTS) >= len(load.answers)
        assert 'domain="gone.example"' not in await _judged(server)
        async with Load(server.port) as again:
            await again.more()
        assert set(again.answers) == {b"new"}
        told = [complaint["message"] for complaint in server.complaints]
        assert any("worker 0 ended with status -9 and is replaced" in message for message in told)
        async with asyncio.timeout(20):
            while len(heard) < promised:
                await asyncio.sleep(0.02)

        workers = await server.workers()
        server.process.kill()
        async with asyncio.timeout(20):
            while any(map(_is_there, workers)):
                await asyncio.sleep(0.02)
    assert len(_counters(tmp_path)) == 1
    async with served(tmp_path, configuration("http://127.0.0.1:9", server="workers = 2")) as server:
        assert len(_counters(tmp_path)) == 1
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), 20) == 0
    assert _counters(tmp_path) == []


def _counters(folder: Path) -> list[Path]:
    return list(folder.glob("kmproxy-counters-*"))


async def _judged(server: Served) -> str:
    """The lines of upstreams' health."""
    _, text = await server.ask("/metrics")
    return "".join(line for line in text.splitlines() if line.startswith("kmproxy_upstream_healthy{"))


async def test_a_log_no_worker_can_write_is_refused_and_a_worker_that_hangs_replaced(tmp_path: Path) -> None:
    lost = f'workers = 2\naccess_log = "{tmp_path}/no/such"'
    async with (
        upstream(b"old") as old,
        upstream(b"new") as new,
        served(tmp_path, configuration(old, server="workers = 2"), prelude=IMPATIENT) as server,
    ):
        server.write(configuration(new, server=lost))
        await server.reload()
        why = f"{tmp_path}/no/such: can't be written: No such file or directory"
        assert server.complaints[-1]["message"] == f"the configuration can't be put in force: {why}"
        killed, stuck = await server.workers()
        os.kill(killed, signal.SIGKILL)
        await server.until(lambda: "is replaced" in server.complaints[-1]["message"])
        await server.ready()
        async with Load(server.port) as load:
            await load.more()
        assert set(load.answers) == {b"old"}

        os.kill(stuck, signal.SIGSTOP)
        async with asyncio.timeout(20):
            while (await server.ask("/readyz"))[0] == 200:
                await asyncio.sleep(0.02)
        await server.until(lambda: "worker 1 ended with status -9" in server.complaints[-1]["message"])
        assert "worker 1 does not answer and is killed" in server.complaints[-2]["message"]
        server.write(configuration(new, server="workers = 2"))
        await server.reload()
        assert await server.ask("/readyz") == (200, "ready\n")
        async with Load(server.port) as again:
            await again.more()
    assert set(again.answers) == {b"new"}
    assert load.failures + again.failures == []


def _is_there(process: int) -> bool:
    """Whether it runs; one that nobody has waited for has no command line any more."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


async def _arrivals(port: int) -> int:
    """People who arrive one after the other; how many were told so."""
    told = 0
    for number in range(40):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            target = f"/?kmi=v{number}%40acme.example&kme=Arrived"
            referer = "Referer: http://b.example/\r\n"
            head = f"GET {target} HTTP/1.1\r\nHost: a.example\r\n{BROWSER}{referer}Connection: close\r\n\r\n"
            writer.write(head.encode())
            told += (await reader.read()).startswith(b"HTTP/1.1 302")
            writer.close()
        except OSError:
            pass  # it was the victim's
        await asyncio.sleep(0.005)
    return told


class _vendor:  # noqa: N801 - used as a function
    """Takes calls and counts them by person."""

    def __init__(self, heard: Counter[str]) -> None:
        self._heard = heard

    async def _take(self, request: web.Request) -> web.Response:
        self._heard[request.query["_p"]] += 1
        return web.Response()

    async def __aenter__(self) -> str:
        app = web.Application()
        app.router.add_get("/{path}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()


async def test_a_drain_lets_answers_end_and_a_second_signal_does_not(tmp_path: Path) -> None:
    settings = "workers = 2\ndrain_delay = 0.3\ndrain_timeout = 60"
    async with (
        upstream(b"page") as origin,
        served(tmp_path, configuration(origin, server=settings)) as server,
    ):
        slow, slow_writer = await _asking(server.port, "/slow")
        endless, endless_writer = await _asking(server.port, "/endless")
        await endless.readuntil(b"data: 2")
        server.process.send_signal(signal.SIGTERM)
        await server.until(lambda: any("stopping" in line for line in server.said))
        assert await server.ask("/readyz") == (503, "stopping\n")
        late, late_writer = await _asking(server.port, "/")
        answer = await asyncio.wait_for(late.read(), 10)
        assert b"Connection: close" in answer
        assert answer.endswith(b"page")
        answer = await asyncio.wait_for(slow.read(), 10)
        assert b"Connection: close" in answer
        assert answer.endswith(b"page")
        assert server.process.returncode is None
        server.process.send_signal(signal.SIGTERM)
        rest = await asyncio.wait_for(endless.read(), 10)
        assert not rest.endswith(b"0\r\n\r\n")
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
        for writer in (slow_writer, endless_writer, late_writer):
            writer.close()


async def _asking(port: int, target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    return reader, writer


async def test_systemd_hands_over_a_socket_and_is_told_of_each_step(tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    manager.bind(str(tmp_path / "notify"))
    with manager, socket.create_server(("127.0.0.1", 0)) as handed:
        port = handed.getsockname()[1]
        prelude = (
            f"import os; os.dup2({handed.fileno()}, 3)\n"
            "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}"
        )
        notify = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        text = configuration("http://127.0.0.1:9")
        async with served(tmp_path, text, prelude=prelude, pass_fds=[handed.fileno()], **notify) as server:
            assert server.port == port
            reader, writer = await _asking(port, "/")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 502")
            writer.close()
            await server.reload()
            server.process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(server.process.wait(), 10) == 0
        said = [line for message in _messages(manager) for line in message.split("\n")]
    steps = [line for line in said if not line.startswith(("WATCHDOG", "MONOTONIC_USEC="))]
    assert steps == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert "WATCHDOG=1" in said


def _messages(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found
