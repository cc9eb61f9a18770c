"""The stand-in for the vendors: takes tracking calls as they do, and remembers them."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from kmproxy.tracking import TrackingCall

_GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_KISSMETRICS = ("/a", "/e", "/s")


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing a vendor was told."""

    provider: str
    name: str
    """``alias``, ``$identify``, or the event's own."""

    said: dict[str, Any]
    """KISSmetrics: the query; Mixpanel: the event's properties."""

    def __str__(self) -> str:
        if self.name == "alias":
            return f"alias: {self.said.get('_p')} is {self.said.get('_n')}"
        if self.name == "$identify":
            return f"$identify: {self.said.get('$anon_distinct_id')} is {self.said.get('distinct_id')}"
        return self.name


def heard(url: str, body: bytes = b"") -> Iterator[Heard]:
    """What a tracking call tells its vendor. Raises ValueError or KeyError on one that tells nothing."""
    parts = urlsplit(url)
    if parts.path in _KISSMETRICS:
        said = dict(parse_qsl(parts.query, keep_blank_values=True))
        names = {"/a": "alias", "/s": "properties"}
        yield Heard("kissmetrics", names.get(parts.path) or said["_n"], said)
        return
    for event in json.loads(body):
        yield Heard("mixpanel", event["event"], event["properties"])


def told(call: TrackingCall) -> Iterator[Heard]:
    """What ``call`` will tell its vendor."""
    return heard(call.url, call.body)


class Vendors:
    """KISSmetrics and Mixpanel in one app; ``on_heard`` is told of each thing as it comes."""

    def __init__(self, on_heard: Callable[[Heard], None] = lambda _: None) -> None:
        self.heard: list[Heard] = []
        self._on_heard = on_heard
        self._news = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        for path in _KISSMETRICS:
            app.router.add_get(path, self._kissmetrics)
        app.router.add_post("/track", self._mixpanel)
        app.router.add_post("/import", self._mixpanel)
        return app

    async def wait_for(self, provider: str, name: str, within: float) -> Heard | None:
        """The first ``name`` that ``provider`` is told, or None after ``within`` seconds."""
        try:
            async with asyncio.timeout(within):
                while not (found := self._find(provider, name)):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return found

    def _find(self, provider: str, name: str) -> Heard | None:
        return next((one for one in self.heard if (one.provider, one.name) == (provider, name)), None)

    async def _kissmetrics(self, request: web.Request) -> web.Response:
        self._take(heard(request.path_qs))
        return web.Response(body=_GIF, content_type="image/gif")

    async def _mixpanel(self, request: web.Request) -> web.Response:
        self._take(heard(request.path_qs, await request.read()))
        if request.path == "/import":
            return web.json_response({"code": 200, "status": "OK"})
        return web.json_response({"status": 1, "error": None})

    def _take(self, news: Iterator[Heard]) -> None:
        for one in news:
            self.heard.append(one)
            self._on_heard(one)
        self._news.set()
