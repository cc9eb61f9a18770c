"""One visitor stays one person; two visitors never become one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from wire import BROWSER, Proxy, Upstream, config, content, proxy, read_request, site, split

from kmproxy.errors import OutboxError
from kmproxy.outbox import SqliteOutbox
from kmproxy.tracking import TrackingCall

A_ID = "p2fvF3kGwdjQPxTO6yYKy8qocPA="
A_COOKIE = b"Cookie: km_ai=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b"


def page(body: bytes) -> bytes:
    return PAGE % (len(body), body)


LINKS = page(b'<a href="http://shop.localhost/p">shop</a><a href="http://blog.localhost/">blog</a>')


def two_domains(upstream: Upstream, **tables: Any) -> dict[str, Any]:
    return site(("blog.localhost", upstream.url), ("shop.localhost", upstream.url), **tables)


def cookies(answer: bytes) -> list[bytes]:
    lines = split(answer)[1]
    return [line.partition(b": ")[2] for line in lines if line.lower().startswith(b"set-cookie:")]


async def test_the_first_page_gives_an_id_and_already_carries_it(tmp_path: Path) -> None:
    async with Upstream(LINKS).listening() as upstream, proxy(config(tmp_path, two_domains(upstream))) as p:
        answer = await p.get("blog.localhost", headers=BROWSER)
    (cookie,) = cookies(answer)
    given = re.match(
        rb"km_ai=([^;]+); Domain=blog.localhost; Path=/; Max-Age=157680000; SameSite=Lax$", cookie
    )
    assert given
    body = content(answer)
    assert body == LINKS.partition(b"\r\n\r\n")[2].replace(b"/p", b"/p?kmi=" + given[1])
    assert b"X-KM-Identity: " in upstream.received[0]


async def test_a_visitor_who_claims_an_identity_in_a_header_is_not_believed(tmp_path: Path) -> None:
    async with Upstream(LINKS).listening() as upstream, proxy(config(tmp_path, two_domains(upstream))) as p:
        await p.get(
            "blog.localhost", headers=b"X-KM-Identity: root\r\nx_km_identity: root\r\n" + A_COOKIE + BROWSER
        )
    assert b"root" not in upstream.received[0]
    assert f"X-KM-Identity: {A_ID}\r\n".encode() in upstream.received[0]


async def test_a_hundred_visitors_at_once_each_see_their_own_identity_only(tmp_path: Path) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            sent = re.search(rb"km_ni=(\w+)", request)
            await asyncio.sleep(0.001)
            body = b'<a href="http://shop.localhost/p">' + b"x" * 500
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: sid=%b\r\n"
                % ((sent and sent[1]) or b"")
            )
            writer.write(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body))
            for start in range(0, len(body), 40):
                writer.write(body[start : start + 40])
                await asyncio.sleep(0)
            writer.write(b"\r\n0\r\n\r\n")

    async def visit(p: Proxy, name: bytes) -> None:
        answer = await p.get("blog.localhost", headers=b"Cookie: km_ni=%b\r\n" % name + BROWSER)
        assert b"/p?kmi=%b" % name + b'"' in content(answer)
        assert cookies(answer) == [b"sid=" + name]
        assert len(re.findall(rb"visitor\d+", answer)) == 2

    async with Upstream(slowly).listening() as upstream, proxy(config(tmp_path, two_domains(upstream))) as p:
        await asyncio.gather(*(visit(p, b"visitor%d" % number) for number in range(100)))


async def test_no_cookie_of_one_visitor_reaches_the_upstream_with_another(tmp_path: Path) -> None:
    async with (
        Upstream(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=first\r\nContent-Length: 0\r\n\r\n"
        ).listening() as upstream,
        proxy(config(tmp_path, two_domains(upstream))) as p,
    ):
        await p.get("blog.localhost", headers=b"Cookie: a=1\r\n")
        await p.get("blog.localhost")
    assert b"a=1" in upstream.received[0]
    assert b"Cookie" not in upstream.received[1]


async def test_an_arrival_is_answered_with_the_clean_url_and_the_upstream_never_sees_it(
    tmp_path: Path,
) -> None:
    async with Upstream(LINKS).listening() as upstream, proxy(config(tmp_path, two_domains(upstream))) as p:
        answer = await p.get("shop.localhost", "/p?x=1&kmi=bob%40example.com&y", BROWSER)
    status, lines, body = split(answer)
    assert status == b"HTTP/1.1 302 Found"
    assert b"Location: /p?x=1&y" in lines
    assert b"Cache-Control: no-store" in lines
    assert cookies(answer)[0].startswith(b"km_ni=bob%40example.com; Domain=shop.localhost;")
    assert body == b""
    assert upstream.received == []


async def test_a_redirect_never_leads_off_the_host(tmp_path: Path) -> None:
    async with Upstream(LINKS).listening() as upstream, proxy(config(tmp_path, two_domains(upstream))) as p:
        answer = await p.get("shop.localhost", "//evil.example/?kmi=x", BROWSER)
    assert b"Location: /.//evil.example/" in split(answer)[1]


async def test_a_line_break_in_a_parameter_never_reaches_a_header(tmp_path: Path) -> None:
    async with Upstream(LINKS).listening() as upstream, proxy(config(tmp_path, two_domains(upstream))) as p:
        answer = await p.get("shop.localhost", "/?kmi=a%0d%0aX-Evil:%201&q=%0d%0aX-Evil:%201", BROWSER)
    assert b"Location: /?q=%0d%0aX-Evil:%201" in split(answer)[1]
    assert not any(line.startswith(b"X-Evil") for line in split(answer)[1])
    assert cookies(answer) == []


class _Slow(SqliteOutbox):
    """Notes when a call was on disk; refuses where told to."""

    def __init__(self, path: Path, *, full: bool = False) -> None:
        super().__init__(path)
        self.full = full
        self.stored: list[str] = []

    async def put(self, calls: Sequence[TrackingCall]) -> None:
        await asyncio.sleep(0.05)
        if self.full:
            raise OutboxError("disk full")
        await super().put(calls)
        self.stored += [call.url for call in calls]


ARRIVAL = b"Referer: http://blog.localhost/\r\n" + A_COOKIE + BROWSER


async def test_a_call_is_on_disk_before_the_response_leaves(tmp_path: Path) -> None:
    outbox = _Slow(tmp_path / "own.db")
    async with (
        Upstream(LINKS).listening() as upstream,
        proxy(config(tmp_path, two_domains(upstream)), outbox=outbox) as p,
    ):
        answer = await p.get("shop.localhost", "/?kmi=bob", ARRIVAL)
        assert answer.startswith(b"HTTP/1.1 302")
        assert len(outbox.stored) == 1
        said = parse_qs(urlsplit(outbox.stored[0]).query)
    assert (said["_p"], said["_n"]) == ([A_ID], ["bob"])


async def test_an_arrival_whose_call_can_not_be_kept_is_left_to_the_page(tmp_path: Path) -> None:
    outbox = _Slow(tmp_path / "own.db", full=True)
    async with (
        Upstream(LINKS).listening() as upstream,
        proxy(config(tmp_path, two_domains(upstream)), outbox=outbox) as p,
    ):
        answer = await p.get("shop.localhost", "/?kmi=bob", ARRIVAL)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert cookies(answer) == []
    assert upstream.received[0].startswith(b"GET /?kmi=bob HTTP/1.1\r\n")


class Tracker:
    """A vendor's endpoint that can be down."""

    def __init__(self) -> None:
        self.down = True
        self.refused = 0
        self.calls: list[dict[str, list[str]]] = []

    async def take(self, request: web.Request) -> web.Response:
        if self.down:
            self.refused += 1
            return web.Response(status=503)
        self.calls.append(parse_qs(request.query_string))
        return web.Response(body=b"GIF89a")

    async def start(self) -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def test_a_tracker_down_for_a_while_gets_every_call_in_order_per_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmproxy.outbox.backoff.delay", lambda attempts, random: 0.05)
    tracker = Tracker()
    runner, endpoint = await tracker.start()
    async with (
        Upstream(LINKS).listening() as upstream,
        proxy(config(tmp_path, two_domains(upstream, endpoint=endpoint))) as p,
    ):
        for number in range(3):
            for person in ("ann", "bob"):
                target = f"/?kmi={person}&kme=step{number}"
                headers = f"Cookie: km_ai={person}-device; km_ni={person}\r\n".encode() if number else b""
                assert b" 302 " in await p.get("shop.localhost", target, headers + BROWSER)
        while tracker.refused < 4:
            await asyncio.sleep(0.01)
        tracker.down = False
        while len(tracker.calls) < 6:
            await asyncio.sleep(0.01)
    await runner.cleanup()
    for person in ("ann", "bob"):
        steps = [call["_n"][0] for call in tracker.calls if call["_p"] == [person]]
        assert steps == ["step0", "step1", "step2"]
    assert all(call["_d"] == ["1"] and call["_t"][0].isdigit() for call in tracker.calls)


async def test_calls_left_by_a_process_that_ended_are_sent_by_the_next(tmp_path: Path) -> None:
    tracker = Tracker()
    runner, endpoint = await tracker.start()
    async with Upstream(LINKS).listening() as upstream:
        settings = config(tmp_path, two_domains(upstream, endpoint=endpoint))
        async with proxy(settings) as p:
            await p.get("shop.localhost", "/?kmi=bob", ARRIVAL)
            while not tracker.refused:
                await asyncio.sleep(0.01)
        tracker.down = False
        async with proxy(settings):
            while not tracker.calls:
                await asyncio.sleep(0.01)
    await runner.cleanup()
    assert [(call["_p"], call["_n"]) for call in tracker.calls] == [([A_ID], ["bob"])]
