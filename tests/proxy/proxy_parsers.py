"""Both of aiohttp's parsers, one after the other: ``usefixtures("parser")`` runs a test on each."""

from __future__ import annotations

import pytest
from aiohttp import web_protocol
from aiohttp.http_parser import HttpRequestParserPy


@pytest.fixture(params=["in C", "in Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads the requests to a proxy in this process."""
    if request.param == "in Python":
        monkeypatch.setattr(web_protocol, "HttpRequestParser", HttpRequestParserPy)
