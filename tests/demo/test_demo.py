from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from rich.console import Console

from kmproxy.demo import naming, run, stage
from kmproxy.demo.browser import Browser
from kmproxy.demo.names import ADA, BLOG, SHOP
from kmproxy.demo.panel import panel_values, who
from kmproxy.demo.walk import Step, walk
from kmproxy.links.decorate import Skip
from kmproxy.pages.chunks import Chunk, Texts
from kmproxy.site import Site

STEPS = (
    "first visit",
    "link to the shop",
    "comment, script",
    "every other byte",
    "arrival",
    "one identity",
    "the shop's page",
    "link back",
    "arrival back",
    "letter",
    "KISSmetrics",
    "Mixpanel",
    "the blog again",
    "second visitor",
    "crawler",
    "no way out",
    "unknown host",
)


class Screen:
    """A console that is read instead of looked at."""

    def __init__(self) -> None:
        self._file = StringIO()
        self.console = Console(file=self._file, highlight=False, soft_wrap=True)

    @property
    def text(self) -> str:
        return self._file.getvalue()

    def marks(self) -> dict[str, str]:
        """The mark of each step printed."""
        found = re.findall(r"^  ([✓✗–]) (.*?)  ", self.text, re.MULTILINE)
        return {name: mark for mark, name in found}

    async def shows(self, pattern: str) -> re.Match[str]:
        """Wait for ``pattern``."""
        async with asyncio.timeout(10):
            while not (found := re.search(pattern, self.text)):
                await asyncio.sleep(0.01)
        return found


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; every test must leave it empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


async def test_check_walks_the_whole_journey(screen: Screen) -> None:
    assert await run.check_demo(screen.console)
    assert screen.marks() == dict.fromkeys(STEPS, "✓")
    assert f"All {len(STEPS)} steps held" in screen.text


async def test_check_fails_where_nobody_is_minted(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, identity={"mint": False})
    assert not await run.check_demo(screen.console)
    marks = screen.marks()
    assert marks.pop("first visit") == "✗"
    assert {name for name, mark in marks.items() if mark == "✓"} == {"crawler", "no way out", "unknown host"}
    assert set(marks.values()) == {"✓", "–"}
    assert re.search(r"first visit +expected  cookies of both vendors\n +seen  ", screen.text)
    assert "3 of 17 steps held, 1 failed (first visit), 13 skipped." in screen.text


async def test_check_fails_where_links_stay_plain(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "slot", lambda *_, **__: Skip.ELSEWHERE)
    assert not await run.check_demo(screen.console)
    marks = screen.marks()
    assert marks["first visit"] == marks["comment, script"] == marks["second visitor"] == "✓"
    assert marks["link to the shop"] == marks["every other byte"] == "✗"
    assert marks["arrival"] == marks["KISSmetrics"] == "–"
    assert f"seen      http://{SHOP}:" in screen.text


async def test_check_fails_where_a_comment_is_rewritten(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = Chunk.filled

    def everywhere(self: Chunk, texts: Texts) -> bytes:
        return fill(self, texts).replace(b'/sale"', b'/sale?%b"' % texts.query)

    monkeypatch.setattr(Chunk, "filled", everywhere)
    assert not await run.check_demo(screen.console)
    assert screen.marks()["comment, script"] == "✗"
    assert "/sale?kmi=" in screen.text


async def test_check_fails_where_arrivals_are_left_alone(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, arrival={"url": "leave"})
    assert not await run.check_demo(screen.console)
    assert screen.marks()["arrival"] == "✗"
    assert re.search(r"expected  status, Location: \(302, '/'\)\n +seen      \(200, ''\)", screen.text)


async def test_check_fails_where_nothing_is_delivered(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "_DELIVERY", 0.2)
    configure(monkeypatch, kissmetrics={"api_key": "demo-key", "endpoint": "http://127.0.0.1:9"})
    assert not await run.check_demo(screen.console)
    failed = [name for name, mark in screen.marks().items() if mark != "✓"]
    assert failed == ["KISSmetrics"]


async def test_a_step_that_hangs_or_breaks_is_a_failed_step(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> str:
        await asyncio.sleep(60)
        return ""

    async def break_down() -> str:
        raise ConnectionResetError("gone")

    monkeypatch.setattr("kmproxy.demo.walk._PATIENCE", 0.05)
    assert not await walk([Step("slow", hang), Step("broken", break_down)], screen.console)
    assert screen.marks() == {"slow": "✗", "broken": "✗"}
    assert "ConnectionResetError: gone" in screen.text


async def test_the_demo_tells_a_visitors_journey(screen: Screen) -> None:
    async with demo(screen) as port, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        visitor = Browser(session, port)
        blog, shop = f"http://{BLOG}:{port}/", f"http://{SHOP}:{port}/"
        page = await visitor.open(blog)
        await visitor.open(page.link(shop), source=blog)
        await visitor.open(f"{shop}?kmi=ada%40example.com&distinct_id=ada%40example.com")
        await Browser(session, port, agent="curl/8.0").open(blog)
        minted = visitor.cookie(BLOG, "km_ai")
        for told in (
            f"blog    minted     KISSmetrics {re.escape(minted)}",
            r"blog    minted     Mixpanel    \$device:",
            "blog    cookies    km_ai, mp_demo_mixpanel on blog.localhost",
            "blog    decorated  4 links",
            "shop    arrived    KISSmetrics anonymous-adopted",
            f"shop    queued     KISSmetrics alias: {re.escape(minted)} is {ADA}",
            f"vendor  delivered  KISSmetrics alias: {re.escape(minted)} is {ADA}",
            rf"vendor  delivered  Mixpanel    \$identify: \$device:\S+ is {ADA}",
            "blog    left plain to a crawler",
        ):
            await screen.shows(told)


async def test_a_cancelled_demo_closes_its_port(screen: Screen) -> None:
    async with demo(screen) as port:
        with socket.create_connection(("127.0.0.1", port)):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_the_demo_takes_another_port_where_its_own_is_taken(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(run, "FRIENDLY_PORT", taken.getsockname()[1])
        async with demo(screen) as port:
            assert port != taken.getsockname()[1]


def test_the_command_checks_itself(scratch: Path) -> None:
    with command(scratch, "--check") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.count("✓") == len(STEPS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_at_a_signal(scratch: Path, number: signal.Signals) -> None:
    with command(scratch) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        assert [path.name for path in scratch.iterdir()] != []
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "nothing of it is left" in out


def test_the_panel_shows_a_hostile_name_as_text() -> None:
    values = panel_values(who({"Cookie": "km_ai=%3Cb%3E; km_ni=%3Cscript%3E; mp_demo_mixpanel=%7B"}))
    assert values["kissmetrics"] == "&lt;script&gt;"
    assert "before: &lt;b&gt;" in values["before"]
    assert values["kind"] == "named"


def test_the_panel_knows_nobody_without_cookies() -> None:
    assert panel_values(who({}))["kissmetrics"] == "nobody"


def configure(monkeypatch: pytest.MonkeyPatch, **tables: dict[str, Any]) -> None:
    """Change the demo's site."""
    original = stage.settings

    def settings(vendors_port: int, sites_port: int, outbox: Path) -> dict[str, Any]:
        raw = original(vendors_port, sites_port, outbox)
        return {**raw, "site": [{**site, **tables} for site in raw["site"]]}

    monkeypatch.setattr(stage, "settings", settings)


@asynccontextmanager
async def demo(screen: Screen) -> AsyncIterator[int]:
    """The demo up, cancelled afterwards; its port."""
    task = asyncio.create_task(run.run_demo(screen.console))
    try:
        yield int((await screen.shows(rf"http://{BLOG}:(\d+)/"))[1])
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def command(scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    code = "from kmproxy.cli import app; app()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "demo", *arguments],
        cwd=scratch,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
