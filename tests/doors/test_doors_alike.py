"""All doors carry the same exchange alike: what the client gets, what the app sees, what is stored."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from doors_cases import CASES
from doors_engine import Kept, by_engine, fixed
from doors_inside import asgi_door, wsgi_door
from doors_kit import PAGE, Case, Exchange, gzipped
from doors_wire import aiohttp_door, proxy_door

from kmproxy.outbox import SqliteOutbox
from kmproxy.pages.chunks import Chunk
from kmproxy.pages.scan import PageScan
from kmproxy.pages.templates import Key, Template, Templates

pytest_plugins = ("doors_fixtures",)


class Door(Protocol):
    async def ask(self, case: Case) -> Exchange: ...


Opened = Callable[[dict[str, Any], Kept], AbstractAsyncContextManager[Door]]
DOORS: dict[str, Opened] = {
    "proxy": proxy_door,
    "asgi": asgi_door,
    "wsgi": wsgi_door,
    "aiohttp": aiohttp_door,
}

every_door = pytest.mark.parametrize("door", DOORS)


@every_door
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_door_does_what_the_engine_says(
    door: str, case: Case, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.is_full = case.is_full
    async with DOORS[door](case.site, kept) as opened:
        got = await opened.ask(case)
    if door == "wsgi":
        gc.collect(1)
        assert capsys.readouterr().err == "", "the validators complain when they go"
    want = by_engine(case)
    assert got.said() == want.said()
    if not (case.pieces or len(case.body) > 1 << 16):
        assert got.body == want.body
    assert (got.is_whole, got.calls, got.seen) == (want.is_whole, want.calls, want.seen)
    if got.seen:
        assert got.read == b"".join(case.sends or ())
    said = got.said()
    assert [text for text in case.shows if text not in said] == []
    assert [text for text in case.hides if text in said] == []


@every_door
async def test_a_host_of_no_site_is_refused_by_the_proxy_and_passed_by_the_others(
    door: str, kept: Kept
) -> None:
    case = Case("stranger", target=b"/?kmi=bob", host="www.stranger.example")
    async with DOORS[door]({}, kept) as opened:
        got = await opened.ask(case)
    if door == "proxy":
        assert (got.status, got.seen) == (421, None)
        return
    assert (got.status, got.body, got.calls) == (200, case.body, [])
    assert got.headers == {b"content-type": [b"text/html; charset=utf-8"]}
    assert got.seen is not None
    assert (got.seen[0], got.seen[1].get(b"x-km-identity")) == (b"/?kmi=bob", None)


@every_door
async def test_a_page_seen_twice_is_made_from_a_template_and_is_the_same_page(
    door: str, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, scanned = _watched(monkeypatch)
    case = Case("gzip", headers=(*Case.headers, (b"Content-Encoding", b"gzip")), body=gzipped(PAGE))
    async with DOORS[door]({}, kept) as opened:
        pages = [(await opened.ask(case)).plain(), (await opened.ask(case)).plain()]
        async with asyncio.timeout(10):
            while not built:
                await asyncio.sleep(0.01)
        assert len(scanned) == 2
        scanned.clear()
        pages += [(await opened.ask(case)).plain() for _ in range(2)]
        other = await opened.ask(replace(case, cookie="km_ni=bob"))
    assert scanned == []
    assert other.plain() == pages[0].replace(b"kmi=ann", b"kmi=bob")
    assert set(pages) == {by_engine(case).plain()}


def _watched(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Template], list[bytes]]:
    """The templates made and the pieces scanned from now on."""
    built, scanned = list[Template](), list[bytes]()
    put, feed = Templates.put, PageScan.feed

    def watched_put(self: Templates, key: Key, template: Template) -> None:
        put(self, key, template)
        built.append(template)

    def watched_feed(self: PageScan, data: bytes) -> list[Chunk]:
        scanned.append(data)
        return feed(self, data)

    monkeypatch.setattr(Templates, "put", watched_put)
    monkeypatch.setattr(PageScan, "feed", watched_feed)
    return built, scanned


@every_door
@pytest.mark.parametrize("name", ["arrival", "form"])
async def test_a_call_is_in_the_file_before_the_answer_leaves(
    door: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = fixed(monkeypatch)
    case = next(case for case in CASES if case.name == name)
    outbox = SqliteOutbox(tmp_path / "outbox.db")
    monkeypatch.setattr(kept, "put_blocking", outbox.put_blocking)
    monkeypatch.setattr(kept, "put", outbox.put)
    async with DOORS[door](case.site, kept) as opened:
        got = await opened.ask(case)
        assert got.status == 302
        (stored,) = await outbox.claim(9, 1e12)  # The person's first; what follows waits for it.
        waiting = (await outbox.stats()).waiting
    outbox.close()
    calls = by_engine(case).calls
    assert (stored.call, waiting) == (calls[0], len(calls))
