"""Health, metrics, and what is told of faults of our own."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import aiohttp
import pytest
from wire import BROWSER, Upstream, config, proxy, site, split

from kmproxy.engine import Engine
from kmproxy.errors import OutboxError
from kmproxy.outbox import SqliteOutbox, Stats
from kmproxy.outbox.redis import RedisOutbox
from kmproxy.visit import Departure

SECRET = "ann@acme.example"
PAGE = b'<a href="http://b.example/">b</a><a href="http://b.example/?kmi=x">'
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html%b\r\nContent-Length: %d\r\n\r\n%b"


class _Broken(SqliteOutbox):
    async def stats(self) -> Stats:
        raise OutboxError("gone")


async def _get(address: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(address + path) as answer:
        return answer.status, await answer.text()


async def test_an_outbox_that_fails_makes_a_node_unready_but_not_unhealthy(tmp_path: Path) -> None:
    outbox = _Broken(tmp_path / "own.db")
    async with proxy(config(tmp_path, site(("a.example", None))), outbox=outbox) as p:
        admin = p.server.admin_address
        assert (await _get(admin, "/healthz"))[0] == 200
        assert await _get(admin, "/readyz") == (503, "the outbox can't be used\n")
        status, text = await _get(admin, "/metrics")
    assert (status, _of_outbox(text)) == (200, {"up": 0.0})


async def test_a_redis_that_is_away_takes_no_node_out_for_none_is_better(tmp_path: Path) -> None:
    away = RedisOutbox("redis://127.0.0.1:9/0")
    async with (
        Upstream(HTML % (b"", len(PAGE), PAGE)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url))), outbox=away) as p,
    ):
        admin = p.server.admin_address
        assert (await p.get("a.example")).endswith(PAGE)
        assert await _get(admin, "/readyz") == (200, "ready\n")
        _, text = await _get(admin, "/metrics")
    assert _of_outbox(text) == {"up": 0.0}
    assert 'kmproxy_requests_total{site="acme"} 1.0' in text


async def test_an_outbox_that_answers_is_told_with_all_it_says(tmp_path: Path) -> None:
    async with proxy(config(tmp_path, site(("a.example", None)))) as p:
        _, text = await _get(p.server.admin_address, "/metrics")
    told = _of_outbox(text)
    assert told.pop("fullness") >= 0
    assert told == {"up": 1.0, "waiting": 0.0, "set_apart": 0.0, "oldest_seconds": 0.0}


def _of_outbox(text: str) -> dict[str, float]:
    lines = (line.split() for line in text.splitlines() if line.startswith("kmproxy_outbox_"))
    return {name.removeprefix("kmproxy_outbox_"): float(value) for name, value in lines}


async def test_metrics_count_by_reason_and_hold_no_identity(tmp_path: Path) -> None:
    async with (
        Upstream(HTML % (b"", len(PAGE), PAGE)).listening() as upstream,
        Upstream(HTML % (b"; charset=utf-16", len(PAGE), PAGE)).listening() as odd,
        proxy(
            config(
                tmp_path,
                site(
                    ("a.example", upstream.url),
                    ("b.example", odd.url),
                    ("down.example", "http://127.0.0.1:9"),
                ),
            )
        ) as p,
    ):
        visitor = b"Cookie: km_ni=ann%40acme.example\r\n" + BROWSER
        for host, target in (
            ("a.example", "/"),
            ("b.example", "/"),
            ("down.example", "/"),
            ("a.example", "/?kmi=null"),
        ):
            await p.get(host, target, visitor)
        _, text = await _get(p.server.admin_address, "/metrics")
    rejected = 'provider="kissmetrics",site="acme",what="rejected",why="identity-forbidden"'
    for line in (
        'kmproxy_links_decorated_total{site="acme"} 1.0',
        'kmproxy_decisions_total{provider="",site="acme",what="left-alone",why="charset"} 1.0',
        f"kmproxy_decisions_total{{{rejected}}} 1.0",
        'kmproxy_failures_total{kind="ConnectFailed"} 1.0',
    ):
        assert line in text
    assert "ann" not in text


async def test_what_was_counted_is_counted_once_however_often_it_is_read(tmp_path: Path) -> None:
    async with (
        Upstream(HTML % (b"", len(PAGE), PAGE)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url), ("b.example", None)))) as p,
    ):
        text = ""
        for _ in range(3):
            await p.get("a.example", "/", b"Cookie: km_ni=ann\r\n" + BROWSER)
            _, text = await _get(p.server.admin_address, "/metrics")
    for line in (
        'kmproxy_requests_total{site="acme"} 3.0',
        'kmproxy_responses_total{site="acme",status="2xx"} 3.0',
        'kmproxy_response_seconds_count{site="acme"} 3.0',
        'kmproxy_links_decorated_total{site="acme"} 3.0',
        'kmproxy_links_seen_total{site="acme"} 6.0',
        'kmproxy_pages_total{made="anew",site="acme"} 3.0',
    ):
        assert line in text
    assert re.search(r'kmproxy_links_skipped_total\{site="acme",why="[a-z-]+"\} 3\.0', text)
    seconds = re.search(r'kmproxy_response_seconds_sum\{site="acme"\} (\S+)', text)
    assert seconds
    assert float(seconds[1]) > 0


async def test_a_full_outbox_shows_in_the_metrics_while_arrivals_are_left_to_the_page(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "own.db", max_bytes=1)
    async with (
        Upstream(HTML % (b"", len(PAGE), PAGE)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url))), outbox=outbox) as p,
    ):
        answer = await p.get("a.example", "/?kmi=ann", b"Cookie: km_ai=A\r\n" + BROWSER)
        _, text = await _get(p.server.admin_address, "/metrics")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert 'kmproxy_failures_total{kind="outbox"} 1.0' in text
    [fullness] = [
        line.split()[1] for line in text.splitlines() if line.startswith("kmproxy_outbox_fullness ")
    ]
    assert float(fullness) > 1


async def test_a_fault_of_our_own_tells_the_visitor_nothing_and_the_log_only_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(Engine, "depart", fail)
    async with (
        Upstream(HTML % (b"", len(PAGE), PAGE)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        with caplog.at_level(logging.ERROR):
            answer = await p.get("a.example", headers=BROWSER)
    status, _, body = split(answer)
    assert status == b"HTTP/1.1 500 Internal Server Error"
    assert body == b"Internal Server Error.\n"
    assert "RuntimeError in a request" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("value", [b"a\r\nX-Evil: 1", b"a\nX-Evil: 1", b"a\rb", b"a\0b"])
async def test_a_header_that_would_split_the_response_never_leaves(
    value: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Engine, "depart", lambda *_: Departure(((b"X-Note", value), (b"Content-Length", b"0")))
    )
    async with (
        Upstream(HTML % (b"", len(PAGE), PAGE)).listening() as upstream,
        proxy(config(tmp_path, site(("a.example", upstream.url)))) as p,
    ):
        answer = await p.get("a.example", headers=BROWSER)
    assert split(answer)[0] == b"HTTP/1.1 500 Internal Server Error"
    assert b"X-Note" not in answer
    assert b"X-Evil" not in answer


async def test_no_admin_listener_where_it_is_turned_off(tmp_path: Path) -> None:
    async with proxy(config(tmp_path, site(("a.example", None)), admin="")) as p:
        assert p.server.admin_address == ""


async def test_a_unix_socket_is_listened_on(tmp_path: Path) -> None:
    path = tmp_path / "k.sock"
    settings = config(tmp_path, site(("a.example", None)), listen=["127.0.0.1:0", f"unix:{path}"])
    async with proxy(settings) as p:
        assert p.server.addresses[1] == f"unix:{path}"
        connector = aiohttp.UnixConnector(str(path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://other.example/") as answer,
        ):
            assert answer.status == 421
