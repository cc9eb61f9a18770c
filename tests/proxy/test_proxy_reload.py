"""A new configuration while requests are in flight, and the end of a server that has some."""

from __future__ import annotations

import asyncio
import gc
import gzip
from pathlib import Path

import aiohttp
import pytest
from wire import BROWSER, Proxy, Upstream, config, proxy, read_request, site, split

from kmproxy.config import Config, load
from kmproxy.serving.change import applied
from kmproxy.site import Site

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
ASK = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


class Slow(Upstream):
    """Answers when it is let."""

    def __init__(self, body: bytes) -> None:
        super().__init__(self._slowly)
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self._body = body

    async def _slowly(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            self.received.append(request)
            self.asked.set()
            await self.go_on.wait()
            writer.write(OK + self._body)
            await writer.drain()


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the three bytes of body of the next response."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    return head, await reader.readexactly(3)


async def test_what_is_in_flight_ends_by_the_old_configuration_and_what_follows_by_the_new(
    tmp_path: Path,
) -> None:
    async with (
        (slow := Slow(b"old")).listening(),
        Upstream(OK + b"new").listening() as new,
        proxy(config(tmp_path, site(("a.example", slow.url)))) as p,
        p.connection() as (reader, writer),
    ):
        writer.write(ASK)
        await slow.asked.wait()
        await p.server.reload(config(tmp_path, site(("a.example", new.url), ("c.example", new.url))))
        assert (await p.get("c.example")).endswith(b"new")
        slow.go_on.set()
        assert (await answer(reader))[1] == b"old"
        writer.write(ASK)
        assert (await answer(reader))[1] == b"new"


async def test_connections_to_an_upstream_that_is_gone_rest_no_longer(tmp_path: Path) -> None:
    async with (
        Upstream(OK + b"old").listening() as old,
        Upstream(OK + b"new").listening() as new,
        proxy(config(tmp_path, site(("a.example", old.url)))) as p,
    ):
        assert (await p.get("a.example")).endswith(b"old")
        assert not old.closed.is_set()
        await p.server.reload(config(tmp_path, site(("a.example", new.url))))
        await asyncio.wait_for(old.closed.wait(), 2)  # by itself one rests for 4 s


async def test_a_host_that_is_gone_from_the_configuration_is_served_no_more(tmp_path: Path) -> None:
    async with (
        Upstream(OK + b"yes").listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url), ("c.example", up.url)))) as p,
    ):
        assert (await p.get("c.example")).endswith(b"yes")
        await p.server.reload(config(tmp_path, site(("a.example", up.url))))
        assert split(await p.get("c.example"))[0] == b"HTTP/1.1 421 Misdirected Request"


async def test_upstreams_that_are_gone_are_told_of_no_more_but_for_their_faults(tmp_path: Path) -> None:
    down = "http://127.0.0.1:9"
    async with Upstream(OK + b"yes").listening() as up:
        both = site(("a.example", [up.url, down]), ("c.example", down))
        async with proxy(config(tmp_path, both)) as p:
            await p.get("c.example")
            await p.server.reload(config(tmp_path, site(("a.example", [up.url]))))
            _, text = await _ask(p, "/metrics")
            await p.server.reload(config(tmp_path, both))
            _, again = await _ask(p, "/metrics")
    assert _judged(text) == {'domain="a.example",site="acme",upstream="0"} 1.0'}
    assert len(_judged(again)) == 3
    fault = 'domain="c.example",kind="ConnectFailed",site="acme",upstream="0"'
    assert f"kmproxy_upstream_failures_total{{{fault}}} 1.0" in text


def _judged(text: str) -> set[str]:
    name = "kmproxy_upstream_healthy{"
    return {line.removeprefix(name) for line in text.splitlines() if line.startswith(name)}


async def test_nothing_keeps_the_pages_of_a_configuration_that_is_gone(tmp_path: Path) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 33\r\n\r\n"
    async with (
        Upstream(page + b'<a href="http://b.example/">b</a>').listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url), ("b.example", None)))) as p,
    ):
        for name in ("one", "two", "three"):
            assert b"kmi=ann" in await p.get("a.example", headers=BROWSER + b"Cookie: km_ni=ann\r\n")
            sites = site(("a.example", up.url), ("b.example", None), name=name)
            await p.server.reload(config(tmp_path, sites))
        gc.collect()
        kept = [one.name for one in gc.get_objects() if isinstance(one, Site)]
    assert not {"one", "two"} & set(kept)


def test_what_can_not_change_while_running_stays_and_is_named(tmp_path: Path) -> None:
    old = config(tmp_path, site(("a.example", None)))
    new = config(
        *(tmp_path / "elsewhere", site(("c.example", None))),
        listen=["127.0.0.1:1"],
        admin="",
        workers=3,
        idle_timeout=5.0,
    )
    in_force, told = applied(old, new)
    assert told == ["server.admin", "server.listen", "server.workers", "outbox.url"]
    assert in_force.server == old.server.model_copy(update={"idle_timeout": 5.0})
    assert (in_force.outbox, in_force.site) == (old.outbox, new.site)
    assert applied(old, old) == (old, [])


def test_a_configuration_comes_to_a_worker_as_it_is() -> None:
    said = load(Path(__file__).parents[2] / "config" / "kmproxy.toml")
    assert Config.model_validate(said.model_dump(mode="json")) == said


async def _ask(p: Proxy, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(p.server.admin_address + path) as found:
        return found.status, await found.text()


async def test_while_it_drains_it_answers_and_says_that_each_answer_is_the_last(tmp_path: Path) -> None:
    async with (
        (slow := Slow(b"end")).listening(),
        proxy(config(tmp_path, site(("a.example", slow.url)), drain_delay=60.0)) as p,
        p.connection() as (reader, writer),
        p.connection() as (idle, _),
    ):
        writer.write(ASK)
        await slow.asked.wait()
        draining = asyncio.create_task(p.server.drain())
        await asyncio.sleep(0)
        assert await _ask(p, "/readyz") == (503, "stopping\n")
        slow.go_on.set()
        head, body = await answer(reader)
        assert (b"Connection: close" in head, body) == (True, b"end")
        assert await reader.read() == b""
        assert b"Connection: close" in await p.send(ASK)
        p.server.hurry()
        await draining
        assert await idle.read() == b""


async def test_an_upload_in_flight_arrives_whole_and_the_rest_is_closed(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nabc")
        begun.set()
        writer.write(OK + await reader.readexactly(3))
        await writer.drain()

    async with (
        Upstream(take).listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)), drain_timeout=60.0)) as p,
        p.connection() as (reader, writer),
        p.connection() as (idle, _),
    ):
        writer.write(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nabc")
        await asyncio.wait_for(begun.wait(), 10)
        draining = asyncio.create_task(p.server.drain())
        assert await asyncio.wait_for(idle.read(), 10) == b""
        writer.write(b"def")
        head, body = await answer(reader)
        assert (b"Connection: close" in head, body) == (True, b"def")
        await asyncio.wait_for(draining, 10)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", p.port)


@pytest.mark.parametrize("hurried", [True, False])
async def test_an_answer_without_end_is_cut_off_after_the_time_for_that(
    hurried: bool, tmp_path: Path
) -> None:
    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await reader.read()

    async with Upstream(events).listening() as up:
        settings = config(tmp_path, site(("a.example", up.url)), drain_timeout=60.0 if hurried else 0.05)
        async with proxy(settings) as p, p.connection() as (reader, writer):
            writer.write(ASK)
            await reader.readuntil(b"data: 1\n\n\r\n")
            if hurried:
                p.server.hurry()
            await asyncio.wait_for(p.server.drain(), 10)
            assert await asyncio.wait_for(reader.read(), 10) == b""
            await asyncio.wait_for(up.closed.wait(), 10)


async def test_a_drain_that_was_done_is_not_done_again(tmp_path: Path) -> None:
    async with proxy(config(tmp_path, site(("a.example", None)))) as p:
        await p.server.drain()
        await p.server.drain()
        assert p.server.unready() == "stopping"


async def test_pages_latency_and_templates_are_counted(tmp_path: Path) -> None:
    page = gzip.compress(b'<a href="http://b.example/">b</a>' * 30)
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    )
    visitor = b"Cookie: km_ni=ann\r\nAccept-Encoding: gzip\r\n" + BROWSER
    async with (
        Upstream(head % len(page) + page).listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url), ("b.example", None)))) as p,
    ):
        asked, said = 0, ""
        while 'kmproxy_pages_total{made="template",site="acme"}' not in said:
            await p.get("a.example", headers=visitor)
            asked += 1
            assert asked < 50
            _, said = await _ask(p, "/metrics")
    assert f'kmproxy_requests_total{{site="acme"}} {asked}.0' in said
    assert f'kmproxy_pages_total{{made="anew",site="acme"}} {asked - 1}.0' in said
    assert f'kmproxy_links_seen_total{{site="acme"}} {30 * asked}.0' in said
    assert f'kmproxy_response_seconds_count{{site="acme"}} {asked}.0' in said
