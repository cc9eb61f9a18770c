"""The error log: what went wrong, in JSON, without anybody's words in it."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

import pytest

from kmproxy.serving.logs import JsonFormatter


def told(name: str, message: str, *arguments: object, error: Any = None) -> dict[str, Any]:
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, error)
    found: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return found


def raised(secret: str) -> Any:
    try:
        raise ValueError(secret)
    except ValueError:
        return sys.exc_info()


def test_a_message_of_ours_is_told_in_full() -> None:
    found = told("kmproxy.x", "%d calls wait", 3)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "error",
        "process": os.getpid(),
        "logger": "kmproxy.x",
        "message": "3 calls wait",
    }


@pytest.mark.parametrize("name", ["kmproxy.proxy", "asyncio", "aiohttp.server"])
def test_of_an_exception_only_its_kind_and_its_place_are_told(name: str) -> None:
    found = told(name, "it failed", error=raised("ann@acme.example"))
    assert found["error"] == "ValueError"
    assert found["where"][-1].startswith(__file__)
    assert "ann" not in json.dumps(found)


def test_what_others_put_into_their_messages_is_left_out() -> None:
    found = told("asyncio", "Task exception was never retrieved\nfuture: <Task exception=E('ann')>")
    assert found["message"] == "Task exception was never retrieved"
    assert told("aiohttp.server", "bad request %r", b"?kmi=ann")["message"] == "bad request %r"
