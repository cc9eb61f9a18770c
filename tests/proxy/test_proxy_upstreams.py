"""Several upstreams: who is asked, who is left alone, and what a visitor gets when none is left."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from wire import BROWSER, Proxy, Script, Upstream, config, proxy, read_request, site, split

from kmproxy.admin.metrics import Metrics
from kmproxy.observer import Observers
from kmproxy.proxy.upstreams import Upstreams
from kmproxy.site import Domain, Sites
from kmproxy.upstream import ConnectFailed, Timeouts, health

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def domains(*upstreams: str, host: str = "a.example", **options: Any) -> dict[str, Any]:
    return {
        "name": "acme",
        "kissmetrics": {"api_key": "key"},
        "domain": [{"host": host, "upstream": list(upstreams), **options}],
    }


def named(name: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dying(Upstream):
    """Reads a request, says ``last_words``, and closes, until it ``lives``."""

    def __init__(self, last_words: bytes = b"") -> None:
        super().__init__(self._die)
        self.lives = False
        self._last_words = last_words

    async def _die(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await read_request(reader))
        writer.write(OK if self.lives else self._last_words)


@asynccontextmanager
async def listening(*upstreams: Upstream) -> AsyncIterator[list[str]]:
    async with AsyncExitStack() as stack:
        for upstream in upstreams:
            await stack.enter_async_context(upstream.listening())
        yield [upstream.url for upstream in upstreams]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


async def metric(p: Proxy, name: str) -> dict[str, float]:
    """The values of a metric by the labels' text."""
    async with aiohttp.ClientSession() as session, session.get(p.server.admin_address + "/metrics") as answer:
        text = await answer.text()
    return {labels: float(value) for labels, value in re.findall(rf"(?m)^{name}\{{(.*)\}} (.*)$", text)}


async def test_upstreams_take_turns(tmp_path: Path) -> None:
    async with (
        listening(*(Upstream(named(name)) for name in (b"0", b"1", b"2"))) as urls,
        proxy(config(tmp_path, domains(*urls))) as p,
    ):
        asked = [split(await p.get("a.example"))[2] for _ in range(6)]
    assert asked == [b"0", b"1", b"2", b"0", b"1", b"2"]


async def test_the_share_of_one_that_is_down_goes_to_all_others_alike(tmp_path: Path) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    async with (
        listening(*(Upstream(named(name)) for name in (b"0", b"1"))) as urls,
        proxy(config(tmp_path, domains(*urls, down))) as p,
    ):
        asked = [split(await p.get("a.example"))[2] for _ in range(30)]
    assert abs(asked.count(b"0") - asked.count(b"1")) <= 1


async def test_least_connections_asks_who_has_the_fewest_requests_under_way(tmp_path: Path) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stuck.received.append(await read_request(reader))
        await reader.read()

    stuck, quick = Upstream(slow), Upstream(named(b"quick"))
    async with (
        listening(stuck, quick) as urls,
        proxy(config(tmp_path, domains(*urls, balance="least_connections"))) as p,
        p.connection() as (_, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        await until(lambda: len(stuck.received) == 1)
        asked = [split(await p.get("a.example"))[2] for _ in range(4)]
    assert asked == [b"quick"] * 4


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_safe_request_that_was_not_answered_is_sent_to_another_upstream(
    method: str, tmp_path: Path
) -> None:
    dying, well = Dying(), Upstream(OK)
    request = f"{method} /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n".encode()
    async with listening(dying, well) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        answer = await p.send(request)
        faults = await metric(p, "kmproxy_upstream_failures_total")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (len(dying.received), len(well.received)) == (1, 1)
    assert faults == {'domain="a.example",kind="Unanswered",site="acme",upstream="0"': 1}


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("POST", b"abc"),
        ("PUT", b"abc"),
        ("DELETE", b""),
        ("PATCH", b"abc"),
        ("GET", b"abc"),
    ],
)
async def test_a_request_that_may_have_had_an_effect_is_never_sent_again(
    head: str, body: bytes, tmp_path: Path
) -> None:
    dying, well = Dying(), Upstream(OK)
    request = f"{head} / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n".encode()
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    async with listening(dying, well) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        answer = await p.send(request + length + b"\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert (len(dying.received), len(well.received)) == (1, 0)


@pytest.mark.parametrize("words", [b"HTTP/1.1 20", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
async def test_a_request_that_was_answered_in_part_is_never_sent_again(words: bytes, tmp_path: Path) -> None:
    dying, well = Dying(words), Upstream(OK)
    async with listening(dying, well) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        answer = await p.get("a.example")
    assert b"HTTP/1.1 502 " in answer
    assert well.received == []


@pytest.fixture
def full() -> Iterator[str]:
    """A listener whose backlog is full, so that further connections wait for an answer."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_an_upstream_that_takes_no_connection_in_time_has_seen_nothing(
    full: str, tmp_path: Path
) -> None:
    post = b"POST / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    async with listening(Upstream(OK)) as (well,):
        both = site(("a.example", [full, well]), ("b.example", full))
        async with proxy(config(tmp_path, both, connect_timeout=0.3)) as p:
            asked = [p.send(post % host) for host in (b"a.example", b"b.example")]
            moved_on, alone = await asyncio.gather(*asked)
            faults = await metric(p, "kmproxy_upstream_failures_total")
    assert moved_on.endswith(b"ok")
    assert alone.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert {'kind="ConnectTimeout"' in labels for labels in faults} == {True}


async def test_a_request_that_kills_upstreams_kills_no_more_than_two(tmp_path: Path) -> None:
    dying = [Dying() for _ in range(4)]
    async with listening(*dying) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        answer = await p.get("a.example")
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert sum(len(one.received) for one in dying) == 2


async def test_a_request_that_takes_too_long_is_not_made_to_take_twice_as_long(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    well = Upstream(OK)
    async with (
        listening(Upstream(silent), well) as urls,
        proxy(config(tmp_path, domains(*urls), first_byte_timeout=0.1)) as p,
    ):
        answer = await p.get("a.example")
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert well.received == []


PLACE = 'domain="a.example",site="acme",upstream="0"'


async def test_an_upstream_that_fails_again_and_again_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "FIRST_TIME", 1000.0)
    monkeypatch.setattr(health, "LONGEST_TIME", 1000.0)
    dying, well = Dying(), Upstream(OK)
    async with listening(dying, well) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        before = await metric(p, "kmproxy_upstream_healthy")
        for _ in range(10):
            assert (await p.get("a.example")).endswith(b"ok")
        after = await metric(p, "kmproxy_upstream_healthy")
    assert len(dying.received) == health.FAILURES
    assert (before[PLACE], after[PLACE]) == (1, 0)
    assert "upstream 0 of a.example is put aside: Unanswered" in caplog.messages


async def test_an_upstream_that_was_put_aside_is_tried_again_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "FIRST_TIME", 0.02)
    dying, well = Dying(), Upstream(OK)
    async with listening(dying, well) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        while "upstream 0 of a.example is put aside: Unanswered" not in caplog.messages:
            await p.get("a.example")
        dying.lives = True
        while "upstream 0 of a.example answers again" not in caplog.messages:
            assert (await p.get("a.example")).endswith(b"ok")
        for _ in range(4):
            assert (await p.get("a.example")).endswith(b"ok")
        assert (await metric(p, "kmproxy_upstream_healthy"))[PLACE] == 1


async def test_where_all_are_put_aside_they_are_asked_all_the_same(tmp_path: Path) -> None:
    dying = [Dying(), Dying()]
    async with listening(*dying) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        for _ in range(2 * health.FAILURES):
            assert (await p.get("a.example")).startswith(b"HTTP/1.1 502 ")
        for one in dying:
            one.lives = True
        answers = [await p.get("a.example") for _ in range(4)]
    assert all(answer.endswith(b"ok") for answer in answers)


async def test_an_answer_of_500_puts_nobody_aside(tmp_path: Path) -> None:
    failing = Upstream(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    async with listening(failing, Upstream(OK)) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        for _ in range(4 * health.FAILURES):
            await p.get("a.example")
    assert len(failing.received) == 2 * health.FAILURES


class Checked(Upstream):
    """Answers its health check with ``status``, everything else with ok."""

    def __init__(self, status: int) -> None:
        super().__init__(self._answer)
        self.status = status

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            if request.startswith(b"GET /up "):
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.status)
            else:
                self.received.append(request)
                writer.write(OK)


async def test_an_upstream_that_fails_its_health_check_gets_no_requests(tmp_path: Path) -> None:
    down, well = Checked(503), Checked(204)
    check = {"path": "/up", "interval": 0.02}
    async with (
        listening(down, well) as urls,
        proxy(config(tmp_path, domains(*urls, health_check=check))) as p,
    ):
        while (await metric(p, "kmproxy_upstream_healthy"))[PLACE]:
            await asyncio.sleep(0.005)
        before = len(down.received)
        for _ in range(4):
            assert (await p.get("a.example")).endswith(b"ok")
        assert len(down.received) == before
        down.status = 301
        while not (await metric(p, "kmproxy_upstream_healthy"))[PLACE]:
            await asyncio.sleep(0.005)
        for _ in range(2):
            await p.get("a.example")
        assert len(down.received) == before + 1


@pytest.mark.parametrize("statuses", [(500,), (500, 404)], ids=["one", "two"])
async def test_a_domain_whose_upstreams_all_fail_their_check_is_unavailable_for_a_while(
    statuses: tuple[int, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    down = [Checked(status) for status in statuses]
    check = {"path": "/up", "interval": 7.5}
    async with (
        listening(*down) as urls,
        proxy(config(tmp_path, domains(*urls, health_check=check))) as p,
    ):
        while any((await metric(p, "kmproxy_upstream_healthy")).values()):
            await asyncio.sleep(0.005)
        status, headers, body = split(await p.get("a.example"))
        failures = await metric(p, "kmproxy_failures_total")
    assert status == b"HTTP/1.1 503 Service Unavailable"
    assert b"Retry-After: 8" in headers
    assert b"Cache-Control: no-store" in headers
    assert body == b"The site is down for a moment. Please try again.\n"
    assert failures == {'kind="Unavailable"': 1}
    assert "503 for a.example: Unavailable" in caplog.messages
    assert not any(one.received for one in down)


class Gate(Upstream):
    """Answers when it is told to, and remembers how many waited at once."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.open = asyncio.Event()
        self.waiting = self.most = 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            self.received.append(request)
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            await self.open.wait()
            self.waiting -= 1
            writer.write(OK)


async def test_no_more_connections_than_allowed_and_who_waits_has_his_turn(tmp_path: Path) -> None:
    gate = Gate()
    async with listening(gate) as urls, proxy(config(tmp_path, domains(*urls, max_connections=2))) as p:
        asking = [asyncio.ensure_future(p.get("a.example", f"/{n}")) for n in range(8)]
        await until(lambda: gate.waiting == 2)
        gate.open.set()
        answers = await asyncio.gather(*asking)
    assert all(answer.endswith(b"ok") for answer in answers)
    assert gate.most == 2


async def test_who_waits_in_vain_is_told_to_come_back_and_another_domain_does_not_wait(
    tmp_path: Path,
) -> None:
    gate = Gate()
    async with listening(gate, Upstream(OK)) as (full, well):
        pair = site(("a.example", full), ("b.example", well))
        pair["domain"][0]["max_connections"] = 1
        async with proxy(config(tmp_path, pair, connect_timeout=0.5)) as p:
            first = asyncio.ensure_future(p.get("a.example"))
            await until(lambda: gate.waiting == 1)
            status, headers, _ = split(await p.get("a.example"))
            assert (await p.get("b.example")).endswith(b"ok")
            gate.open.set()
            assert (await first).endswith(b"ok")
            assert (await p.get("a.example")).endswith(b"ok")
    assert status == b"HTTP/1.1 503 Service Unavailable"
    assert b"Retry-After: 1" in headers
    assert len(gate.received) == 2


async def test_a_visitor_who_leaves_the_queue_keeps_nobody_from_his_turn(tmp_path: Path) -> None:
    gate = Gate()
    async with listening(gate) as urls, proxy(config(tmp_path, domains(*urls, max_connections=1))) as p:
        first = asyncio.ensure_future(p.get("a.example"))
        await until(lambda: gate.waiting == 1)
        for _ in range(3):
            async with p.connection() as (_, writer):
                writer.write(b"GET /left HTTP/1.1\r\nHost: a.example\r\n\r\n")
                await asyncio.sleep(0.02)
        last = asyncio.ensure_future(p.get("a.example", "/last"))
        await asyncio.sleep(0.02)
        gate.open.set()
        assert (await first).endswith(b"ok")
        assert (await last).endswith(b"ok")
    assert [b"/left" in request for request in gate.received] == [False, False]


async def test_another_upstream_is_asked_while_one_is_full(tmp_path: Path) -> None:
    gate, well = Gate(), Upstream(OK)
    async with listening(gate, well) as urls, proxy(config(tmp_path, domains(*urls, max_connections=1))) as p:
        first = asyncio.ensure_future(p.get("a.example"))
        await until(lambda: gate.waiting == 1)
        for _ in range(3):
            assert (await p.get("a.example")).endswith(b"ok")
        gate.open.set()
        await first
    assert len(gate.received) == 1


class Saying(Upstream):
    """Says one thing and waits."""

    def __init__(self, words: bytes) -> None:
        super().__init__(self._say)
        self._words = words

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await read_request(reader))
        writer.write(self._words)
        await reader.read()


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_a_visitor_who_leaves_is_counted_and_is_no_fault_of_the_upstream(
    words: bytes, tmp_path: Path
) -> None:
    upstream = Saying(words)
    async with listening(upstream) as urls, proxy(config(tmp_path, domains(*urls))) as p:
        async with p.connection() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            await until(lambda: len(upstream.received) == 1)
            if words:
                await reader.readuntil(b"half")
        await asyncio.wait_for(upstream.closed.wait(), 5)
        failures = await metric(p, "kmproxy_failures_total")
        faults = await metric(p, "kmproxy_upstream_failures_total")
    assert failures == {'kind="client-left"': 1}
    assert faults == {}


async def test_a_broken_body_is_counted_for_the_upstream_that_broke_it(tmp_path: Path) -> None:
    half = Saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    async with (
        listening(Upstream(OK), half) as urls,
        proxy(config(tmp_path, domains(*urls), idle_timeout=0.1)) as p,
    ):
        for _ in range(2):
            await p.get("a.example")
        faults = await metric(p, "kmproxy_upstream_failures_total")
    assert faults == {'domain="a.example",kind="broken-body-IdleTimeout",site="acme",upstream="1"': 1}


async def test_no_fault_tells_an_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    port = free_port()
    async with proxy(config(tmp_path, domains(f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}"))) as p:
        answers = [await p.get("a.example") for _ in range(2 * health.FAILURES)]
        async with (
            aiohttp.ClientSession() as session,
            session.get(p.server.admin_address + "/metrics") as metrics,
        ):
            text = await metrics.text()
    assert all(answer.startswith(b"HTTP/1.1 502 ") for answer in answers)
    assert "is put aside: ConnectFailed" in caplog.text
    assert str(port) not in caplog.text + text + "".join(map(str, answers))


@asynccontextmanager
async def https(script: Script | bytes, tmp_path: Path) -> AsyncIterator[tuple[Upstream, str]]:
    """An HTTPS upstream and its authority's file."""
    authority, upstream = trustme.CA(), Upstream(script)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=context)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream, str(tmp_path / "ca.pem")
    finally:
        server.close()


async def test_an_https_upstream_is_verified_and_then_asked(tmp_path: Path) -> None:
    async with https(OK, tmp_path) as (upstream, ca):
        url = upstream.url.replace("http:", "https:")
        async with proxy(config(tmp_path, domains(url, upstream_tls={"ca": ca}))) as p:
            assert (await p.get("a.example", "/x?y")).endswith(b"ok")
        async with proxy(config(tmp_path, domains(url))) as p:
            assert (await p.get("a.example")).startswith(b"HTTP/1.1 502 ")
            assert await metric(p, "kmproxy_failures_total") == {'kind="TlsFailed"': 1}
    assert len(upstream.received) == 1
    assert upstream.received[0].startswith(b"GET /x?y HTTP/1.1\r\nHost: a.example\r\n")


def replaced(path: str, content: bytes) -> bytes:
    """What a file held before."""
    old = Path(path).read_bytes()
    Path(path).write_bytes(content)
    return old


async def test_upstreams_made_anew_read_the_authorities_anew(tmp_path: Path) -> None:
    async with https(OK, tmp_path) as (upstream, ca):
        url = upstream.url.replace("http:", "https:")
        settings = config(tmp_path, domains(url, upstream_tls={"ca": ca}))
        right = replaced(ca, trustme.CA().cert_pem.bytes())
        async with proxy(settings) as p:
            assert (await p.get("a.example")).startswith(b"HTTP/1.1 502 ")
        replaced(ca, right)
        async with proxy(settings) as p:
            assert (await p.get("a.example")).endswith(b"ok")


async def test_a_reload_reads_the_authorities_anew_and_forgets_no_page(tmp_path: Path) -> None:
    page = gzip.compress(b'<a href="http://b.example/">b</a>' * 30)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(page)
    visitor = BROWSER + b"Cookie: km_ni=ann\r\nAccept-Encoding: gzip\r\n"
    async with https(head + length + page, tmp_path) as (upstream, ca):
        acme = domains(
            upstream.url.replace("http:", "https:"),
            upstream_tls={"ca": ca},
            health_check={"path": "/", "interval": 0.01},
        )
        acme["domain"].append({"host": "b.example"})
        settings = config(tmp_path, acme)
        async with proxy(settings) as p:
            asked = 0
            while 'made="template",site="acme"' not in (made := await metric(p, "kmproxy_pages_total")):
                await p.get("a.example", headers=visitor)
                asked += 1
                assert asked < 50
            right = replaced(ca, trustme.CA().cert_pem.bytes())
            await p.server.reload(settings)
            answer = await p.get("a.example", headers=visitor)
            assert answer.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 503 "))
            await until_healthy(p, 0)
            replaced(ca, right)
            await p.server.reload(settings)
            await until_healthy(p, 1)
            assert (await p.get("a.example", headers=visitor)).startswith(b"HTTP/1.1 200 ")
            after = await metric(p, "kmproxy_pages_total")
    made['made="template",site="acme"'] += 1
    assert after == made


async def until_healthy(p: Proxy, value: float) -> None:
    async with asyncio.timeout(5):
        while (await metric(p, "kmproxy_upstream_healthy")) != {
            'domain="a.example",site="acme",upstream="0"': value
        }:
            await asyncio.sleep(0.005)


async def test_a_unix_upstream_is_asked(tmp_path: Path) -> None:
    upstream = Upstream(OK)
    server = await asyncio.start_unix_server(upstream.serve, tmp_path / "app.sock")
    async with proxy(config(tmp_path, domains(f"unix:{tmp_path}/app.sock"))) as p:
        assert (await p.get("a.example")).endswith(b"ok")
    server.close()
    assert upstream.received[0].startswith(b"GET / HTTP/1.1\r\nHost: a.example\r\n")


async def test_ipv6_is_spoken_on_both_sides(tmp_path: Path) -> None:
    upstream = Upstream(OK)
    try:
        server = await asyncio.start_server(upstream.serve, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 here")
    url = f"http://[::1]:{server.sockets[0].getsockname()[1]}"
    async with proxy(config(tmp_path, domains(url), listen=["[::1]:0"])) as p:
        assert p.server.addresses == [f"http://[::1]:{p.port}"]
        reader, writer = await asyncio.open_connection("::1", p.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    server.close()
    assert b"\r\nX-Forwarded-For: ::1\r\n" in upstream.received[0]


async def test_upstreams_that_are_replaced_let_what_is_under_way_end(tmp_path: Path) -> None:
    gate = Gate()
    async with listening(gate) as urls:
        (acme,) = Sites(config(tmp_path, domains(*urls, health_check={"path": "/"}))).all
        upstreams = Upstreams(acme.domains, Timeouts(5, 5, 5), Observers())
        headers = ((b"Host", b"a.example"),)
        asking = asyncio.ensure_future(upstreams.exchange(acme.domains[0], b"GET", b"/", headers, None))
        await until(lambda: gate.waiting > 0)
        upstreams.close()
        gate.open.set()
        exchange = await asking
        assert await exchange.read() == b"ok"
        assert await exchange.read() == b""
        exchange.close()
        await asyncio.wait_for(gate.closed.wait(), 5)


class Told(Metrics):
    """What is told of health, by the upstream's place."""

    def __init__(self) -> None:
        super().__init__()
        self.health: list[tuple[int, bool]] = []

    def upstream_health(self, domain: Domain, index: int, healthy: bool) -> None:
        self.health.append((index, healthy))


async def test_upstreams_that_were_replaced_say_no_more_of_health(tmp_path: Path) -> None:
    told = Told()
    url = f"http://127.0.0.1:{free_port()}"
    (acme,) = Sites(config(tmp_path, domains(url))).all
    upstreams = Upstreams(acme.domains, Timeouts(5, 5, 5), told)
    upstreams.close()
    for _ in range(health.FAILURES):
        with pytest.raises(ConnectFailed):
            await upstreams.exchange(acme.domains[0], b"GET", b"/", ((b"Host", b"a.example"),), None)
    assert told.health == [(0, True)]


async def test_no_check_is_begun_where_another_domain_can_not_be_asked_at_all(tmp_path: Path) -> None:
    async with https(OK, tmp_path) as (upstream, ca):
        pair = site(("a.example", upstream.url), ("b.example", "https://127.0.0.1"))
        pair["domain"][0]["health_check"] = {"path": "/"}
        pair["domain"][1]["upstream_tls"] = {"ca": ca}
        (acme,) = Sites(config(tmp_path, pair)).all
        replaced(ca, b"")
        before = asyncio.all_tasks()
        with pytest.raises(OSError, match="certificate"):
            Upstreams(acme.domains, Timeouts(5, 5, 5), Observers())
        assert asyncio.all_tasks() == before
