"""Who visits is told to nobody: not in logs, metrics, error pages, nor on standard output."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from wire import BROWSER, Proxy, Upstream, config, proxy, site, split

from kmproxy.errors import OutboxError
from kmproxy.outbox import Outbox, SqliteOutbox
from kmproxy.tracking import TrackingCall

ANONYMOUS = "p2fvF3kGwdjQPxTO6yYKy8qocPA="
IDENTITIES = ("ann.secret", "ben.secret", "eve.secret", "p2fvF3kGwdjQPxTO6yYKy8qocPA")
"""Whoever visits in these tests; no percent-encoding changes what of them is looked for."""

VISITOR = f"Cookie: km_ai={quote(ANONYMOUS)}\r\nReferer: http://b.example/\r\n".encode() + BROWSER
NAMED = b"Cookie: km_ni=ann.secret%40acme.example\r\n" + BROWSER
PAGE = b'<a href="http://b.example/">b</a>'
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%bContent-Length: %d\r\n\r\n" + PAGE
TARGETS = (
    "/?kmi=ann.secret%40acme.example&distinct_id=eve.secret&kme=Met%20ann.secret",
    "/?kmi=ann.secret%00",
    "/?kmi=ann.secret%FF&km__p=ann.secret",
    "/path/ann.secret?mail=ann.secret",
)
HOSTS = ("a.example", "down.example", "cut.example", "garbage.example", "nobodys.example", "b.example")


class _Full(SqliteOutbox):
    async def put(self, calls: Sequence[TrackingCall]) -> None:
        raise OutboxError("outbox: full")


@pytest.fixture
async def vendor() -> AsyncIterator[str]:
    """Its address; it writes no log of its own."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _refuse(request: web.Request) -> web.Response:
    """A vendor that says back what it was told."""
    return web.Response(status=400 if "_n" in request.query else 503, text=f"bad: {request.path_qs}")


async def _visits(p: Proxy) -> list[bytes]:
    """All that may go wrong, and what is answered."""
    answers = [
        await p.get(host, target, headers)
        for host in HOSTS
        for target in TARGETS
        for headers in (VISITOR, NAMED)
    ]
    for request in (
        b"GET /ann.secret HTTP/1.1\r\nHost: a.example\r\nCookie: km_ni=ann.secret\x00\r\n\r\n",
        b"GET /ann.secret HTTP/2.0\r\nHost: a.example\r\nConnection: close\r\n\r\n",
        b"GET http://x.example/ann.secret HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
        b"TRACE /ann.secret HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
        b"ann.secret\r\n\r\n",
    ):
        answers.append(await p.send(request))
    return answers


async def _admin(p: Proxy) -> str:
    async with aiohttp.ClientSession() as session:
        pages = [
            await session.get(p.server.admin_address + path) for path in ("/metrics", "/readyz", "/none")
        ]
        return "".join([await page.text() for page in pages])


@asynccontextmanager
async def _running(directory: Path, vendor: str, outbox: Outbox) -> AsyncIterator[Proxy]:
    """A proxy before upstreams of which each fails in its way, but for one, where visitors log in."""
    login = b"X-KM-Identify: ben.secret\r\nX-KM-Record: Met eve.secret\r\n"
    async with (
        Upstream(HTML % (login, len(PAGE))).listening() as a,
        Upstream(HTML % (login, len(PAGE) + 9) + b"<").listening() as cut,
        Upstream(b"HTTP/1.1 ann.secret\r\n\r\n").listening() as garbage,
    ):
        hosts = (
            ("a.example", a.url),
            ("b.example", None),
            ("down.example", "http://127.0.0.1:9"),
            ("cut.example", cut.url),
            ("garbage.example", garbage.url),
        )
        mixpanel = {"token": "tok", "endpoint": vendor}
        settings = config(directory, site(*hosts, endpoint=vendor, mixpanel=mixpanel), idle_timeout=0.2)
        async with proxy(settings, outbox=outbox) as p:
            yield p


async def _reasons(outbox: Outbox) -> str:
    """Why calls were set apart; waits for the first."""
    async with asyncio.timeout(10):
        while not (apart := await outbox.refused(99)):
            await asyncio.sleep(0.01)
    return " ".join(call.reason for call in apart)


@pytest.mark.parametrize("store", [SqliteOutbox, _Full])
async def test_logs_metrics_and_error_pages_hold_no_identity(
    store: type[SqliteOutbox],
    tmp_path: Path,
    vendor: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    is_full = store is _Full
    outbox = store(tmp_path / "own.db")
    caplog.set_level(logging.DEBUG)
    async with _running(tmp_path, vendor, outbox) as p:
        answers = await _visits(p)
        reasons = "" if is_full else await _reasons(outbox)
        told = await _admin(p)
    errors = [answer for answer in answers if split(answer)[0][9:10] in (b"4", b"5")]
    assert {split(answer)[0][9:12] for answer in errors} == {b"400", b"405", b"421", b"502", b"505"}
    assert ('kind="outbox"' if is_full else 'why="anonymous-identified"') in told
    assert is_full or "HTTP 400" in reasons
    assert "kmproxy" in {record.name.partition(".")[0] for record in caplog.records}
    logged = "".join(logging.Formatter().format(record) for record in caplog.records)
    pages = b"".join(errors).decode("latin-1")
    printed = capfd.readouterr()
    for identity in IDENTITIES:
        assert is_full or identity.encode() in VISITOR + b"".join(answers)
        for where in (logged, told, reasons, pages, printed.out, printed.err):
            assert identity not in where
