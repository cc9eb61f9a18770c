"""The access log: a line for each request, and nobody in it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from proxy_found_out import LOGIN, PATHS, come
from wire import BROWSER, Upstream, config, proxy, read_request, site

from kmproxy.proxy.access import AccessLogError
from kmproxy.proxy.server import ProxyServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nok"
ANN = b"Cookie: km_ni=ann%40acme.example; secret=cookie\r\n"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_each_request_is_a_line_of_json(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    async with (
        Upstream(OK % b"").listening() as up,
        proxy(config(tmp_path, site(("a.example", up.url)), access_log=str(log))) as p,
        p.connection() as (reader, writer),
    ):
        answer = b""
        for _ in range(2):
            writer.write(b"GET /x?a=b HTTP/1.1\r\nHost: A.example:80\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
            answer = await reader.readuntil(b"ok")
        assert (await p.get("nobody.example", "/?kmi=x")).startswith(b"HTTP/1.1 421")
        assert (await p.send(b"GARBAGE\r\n\r\n")).startswith(b"HTTP/1.0 400")
    first, second, unknown, garbage = lines(log)
    assert list(first) == [
        *("time", "client", "method", "host", "path", "referer"),
        *("status", "bytes", "duration", "upstream_time", "site"),
    ]
    assert {**first, "time": 0, "duration": 0, "upstream_time": 0} == {
        "time": 0,
        "client": "9.9.9.9",
        "method": "GET",
        "host": "a.example",
        "path": "/x?a=b",
        "referer": "",
        "status": 200,
        "bytes": len(answer),
        "duration": 0,
        "upstream_time": 0,
        "site": "acme",
    }
    assert first["time"].endswith("+00:00")
    assert first["duration"] >= first["upstream_time"] >= 0
    assert second["bytes"] == first["bytes"]
    assert (unknown["status"], unknown["site"], unknown["path"]) == (421, "", "/?kmi=[redacted]")
    assert (unknown["host"], unknown["upstream_time"]) == ("nobody.example", None)
    assert (garbage["status"], garbage["method"]) == (400, "")


async def test_whoever_is_known_before_or_after_is_in_no_line(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    login = OK % LOGIN
    identified = site(("a.example", None), ("b.example", None), mixpanel={"token": "t"})
    async with Upstream(login).listening() as up:
        identified["domain"][0]["upstream"] = up.url
        async with proxy(config(tmp_path, identified, access_log=str(log))) as p:
            referer = b"Referer: https://b.example/ann@acme.example?kmi=ann%40acme.example\r\n"
            await p.get("a.example", "/u/ann@acme.example", ANN + BROWSER + referer)
            await come(p)
    said = log.read_text()
    for secret in ("ann", "eve@", "bob", "Bought", "1234-abcd", "cookie"):
        assert secret not in said
    paths = [line["path"] for line in lines(log)]
    assert paths == ["/u/[redacted]", *PATHS]


async def test_a_client_that_leaves_is_a_499_and_a_dead_upstream_a_502(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()

    asked, log = asyncio.Event(), tmp_path / "access.log"
    async with Upstream(silent).listening() as up:
        sites = site(("a.example", up.url), ("down.example", "http://127.0.0.1:9"))
        async with proxy(config(tmp_path, sites, access_log=str(log))) as p:
            async with p.connection() as (_, writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                await asked.wait()
            await up.closed.wait()
            await p.get("down.example")
    assert [(line["status"], line["bytes"] > 0) for line in lines(log)] == [(499, False), (502, True)]


async def test_a_reload_goes_on_in_a_new_file_and_turns_the_log_on_and_off(tmp_path: Path) -> None:
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    settings = site(("a.example", None))
    logged = config(tmp_path, settings, access_log=str(log))
    off = config(tmp_path, settings)
    async with proxy(off) as p:
        await p.get("a.example", "/0")
        await p.server.reload(logged)
        async with p.connection() as (reader, writer):
            await p.get("a.example", "/1")
            log.rename(moved)
            await p.get("a.example", "/2")
            await p.server.reload(logged)
            await p.get("a.example", "/3")
            await p.server.reload(off)
            await p.get("a.example", "/4")
            writer.write(b"GET /5 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
            await reader.read()
    assert [line["path"] for line in lines(moved)] == ["/1", "/2"]
    assert [line["path"] for line in lines(log)] == ["/3"]


async def test_a_reload_turns_the_log_on_and_off_for_connections_that_are_open(tmp_path: Path) -> None:
    log, other = tmp_path / "access.log", tmp_path / "other.log"

    async with Upstream(OK % b"").listening() as up:
        settings = site(("a.example", up.url))
        async with proxy(config(tmp_path, settings)) as p, p.connection() as (reader, writer):
            answer = b""
            for number, path in enumerate(["", log, log, other, "", log]):
                await p.server.reload(config(tmp_path, settings, access_log=str(path)))
                head = f"GET /{number} HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
                writer.write(head.encode())
                answer = await asyncio.wait_for(reader.readuntil(b"ok"), 10)
    noted = [(line["path"], line["status"], line["bytes"], line["client"]) for line in lines(log)]
    assert noted == [(f"/{number}", 200, len(answer), "9.9.9.9") for number in (1, 2, 5)]
    assert [line["path"] for line in lines(other)] == ["/3"]


async def test_a_log_that_can_not_be_written_is_told_before_anything_starts(tmp_path: Path) -> None:
    settings = config(tmp_path, site(("a.example", None)), access_log=str(tmp_path / "no" / "such"))
    with pytest.raises(AccessLogError, match="can't be written: No such file"):
        async with ProxyServer(settings):
            pass


async def test_a_log_on_a_full_disk_costs_nobody_a_page(tmp_path: Path) -> None:
    settings = config(tmp_path, site(("a.example", None)), access_log="/dev/full")
    async with proxy(settings) as p:
        assert (await p.get("a.example")).startswith(b"HTTP/1.1 421")
