"""A door loads what it needs: a WSGI app pays for no aiohttp, and nobody for a framework not theirs."""

from __future__ import annotations

import subprocess
import sys

import pytest

_FOREIGN = {"aiohttp", "redis", "starlette", "django", "flask", "fastapi", "uvloop"}


@pytest.mark.parametrize(
    ("door", "needed"),
    [("wsgi", set()), ("asgi", set()), ("aiohttp", {"aiohttp"})],
    ids=["wsgi", "asgi", "aiohttp"],
)
def test_a_door_loads_no_foreign_framework(door: str, needed: set[str]) -> None:
    script = f"import sys, kmproxy.{door}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert _FOREIGN & set(done.stdout.split()) == needed


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_door_is_made_and_passes_a_page_without_a_foreign_framework(door: str) -> None:
    script = f"""
import sys
from kmproxy.{door} import KmproxyMiddleware
site = {{"name": "a", "kissmetrics": {{"api_key": "k"}}, "domain": [{{"host": "a.example"}}]}}
KmproxyMiddleware(print, {{"site": [site]}})
print(*{{name.partition('.')[0] for name in sys.modules}})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert _FOREIGN & set(done.stdout.split()) == set()
