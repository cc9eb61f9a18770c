"""What all the apps answer; the environment says where their links lead and when a slow page may end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import kmproxy

CONFIG = os.environ["KMPROXY_CONFIG"]
STATIC = Path(__file__).parent / "static"

PAGE = f"""\
<!DOCTYPE html>
<title>A story</title>
<!-- <a href="http://{os.environ["OTHER"]}/comment"> -->
<p><a id="over" href="http://{os.environ["OTHER"]}/">over</a> <a href="/here">here</a></p>
"""
FIRST = PAGE + '<p id="first"></p>\n'
LAST = PAGE

_GATE = Path(os.environ["GATE"])
_LOOKS = 1000


def said(request: Any, query: str) -> dict[str, str | None]:
    """What ``/who`` answers: who asks, and where a link of the app's own making leads."""
    visitor = kmproxy.visitor(request)
    headers: Mapping[str, str] = request.headers
    return {
        "identity": visitor.identity,
        "anonymous_id": visitor.anonymous_id,
        "link": kmproxy.link("https://shop.example/cart?page=2#top", request),
        "header": headers.get("X-KM-Identity"),
        "query": query,
    }


async def parts() -> AsyncIterator[bytes]:
    """A page whose end is made only once the gate is there; it lacks it if the gate never is."""
    yield FIRST.encode()
    for _ in range(_LOOKS):
        if _GATE.exists():  # noqa: ASYNC240 - a look at a folder
            yield LAST.encode()
            return
        await asyncio.sleep(0.01)


def parts_blocking() -> Iterator[bytes]:
    """The same on a thread."""
    yield FIRST.encode()
    for _ in range(_LOOKS):
        if _GATE.exists():
            yield LAST.encode()
            return
        time.sleep(0.01)
