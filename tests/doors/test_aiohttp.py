"""aiohttp's responses of every kind."""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from doors_aiohttp import CASE, html, serving, stream
from doors_engine import Kept
from doors_kit import ANN, DECORATED, LINK, NOT_MINTING, PAGE, Case, gzipped
from doors_wire import parsed

import kmproxy

pytest_plugins = ("doors_fixtures",)


async def test_a_response_is_decorated_and_has_the_length_it_has(kept: Kept) -> None:
    async def handler(request: web.Request) -> web.Response:
        return html()

    async with serving(handler) as client:
        status, headers, body = await client.get()
    assert (status, body.count(DECORATED)) == (200, 1)
    assert headers[b"content-length"] == b"%d" % len(body)


async def test_what_is_written_within_the_handler_leaves_as_it_is_written(kept: Kept) -> None:
    more = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await stream(request, PAGE)
        await more.wait()
        await response.write(LINK[:20])
        await response.write_eof(LINK[20:])
        return response

    async with serving(handler) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(CASE.request)
        async with asyncio.timeout(10):
            seen = await reader.readuntil(DECORATED)
        more.set()
        seen += await reader.read()
        writer.close()
    _, _, body, is_whole = parsed("GET", seen)
    assert (body.count(DECORATED), is_whole) == (2, True)


@pytest.mark.parametrize("name", ["page.html", "picture.png", "page.html.gz"])
@pytest.mark.parametrize("how", ["returned", "from-outside", "named-by-handler"])
async def test_a_file_is_decorated_where_it_is_a_page(
    name: str, how: str, kept: Kept, tmp_path: Path
) -> None:
    is_page, is_guest = name.startswith("page"), how == "named-by-handler"
    data = gzipped(PAGE) if name.endswith("gz") else PAGE
    (tmp_path / name).write_bytes(data)
    path = tmp_path / name.removesuffix(".gz")

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(path)
        if is_guest:
            kmproxy.visitor(request).identify("ann")
        return response

    @web.middleware
    async def outer(request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        return web.FileResponse(path)

    case = Case("file", cookie="" if is_guest else ANN, asks=((b"Accept-Encoding", b"gzip"),))
    outside = (outer,) if how == "from-outside" else ()
    async with serving(handler, outside=outside, **(NOT_MINTING if is_guest else {})) as client:
        status, headers, body = await client.get(case)
    page = gzip.decompress(body) if headers.get(b"content-encoding") == b"gzip" else body
    assert (status, DECORATED in page) == (200, is_page)
    assert page == PAGE.replace(b"#end", b"&amp;kmi=ann#end") if is_page else page == PAGE


@pytest.mark.parametrize(("name", "is_sent"), [("page.html", False), ("picture.png", True)])
async def test_the_kernel_sends_what_is_no_page(
    name: str, is_sent: bool, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(PAGE)
    loop, sent = asyncio.get_running_loop(), list[object]()
    sendfile = loop.sendfile

    async def watched(*given: Any) -> int:
        sent.append(given)
        return await sendfile(*given)

    monkeypatch.setattr(loop, "sendfile", watched)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(tmp_path / name)

    async with serving(handler) as client:
        assert (DECORATED in await client.body()) != is_sent
    assert len(sent) == is_sent


async def test_a_file_to_a_crawler_leaves_as_it_is(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(PAGE)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(tmp_path / "page.html")

    async with serving(handler) as client:
        status, headers, body = await client.get(Case("crawler", agent=b"Googlebot/2.1"))
    assert (status, headers[b"content-length"], body) == (200, b"%d" % len(PAGE), PAGE)


@pytest.mark.parametrize("kind", ["whole", "streamed", "at-once", "payload", "text"])
async def test_what_aiohttp_compresses_is_decorated_and_compressed(kind: str, kept: Kept) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if kind == "streamed":
            return await stream(request, PAGE[:50], PAGE[50:], compress=True)
        if kind == "at-once":
            begun = await stream(request, compress=True)
            await begun.write_eof(PAGE)
            return begun
        body = io.BytesIO(PAGE) if kind == "payload" else PAGE
        response = web.Response(body=body, content_type="text/plain" if kind == "text" else "text/html")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(handler) as client:
        _, headers, body = await client.get()
    assert headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(body) == (PAGE if kind == "text" else PAGE.replace(b"#end", b"&amp;kmi=ann#end"))


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_client_without_chunks_gets_the_page_in_one_piece(is_streamed: bool, kept: Kept) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream(request, PAGE[:50], PAGE[50:]) if is_streamed else html()

    async with serving(handler) as client:
        answer = await client.raw(version=b"1.0")
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"chunked" not in answer.lower()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == PAGE.replace(b"#end", b"&amp;kmi=ann#end")
    assert b"Content-Length: %d" % len(body) in head


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_that_breaks_off_does_not_look_whole(version: bytes, kept: Kept) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream(request, zlib.compress(PAGE)[:60], b"\xff" * 99, coding="deflate")

    async with serving(handler) as client:
        answer = await client.raw(version=version)
    assert answer == b"" if version == b"1.0" else not parsed("GET", answer)[3]
