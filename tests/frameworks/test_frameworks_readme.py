"""The README's own apps, as they are written there, under the servers named in them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from browser.vendors import Vendors

from frameworks.asking import ANONYMOUS, Visitor
from frameworks.conftest import configuration
from frameworks.served import BIN, TESTS, Pair, Served

HOST = "blog.localhost"
"""Which a new Django project answers for."""

SHOP = "shop.acme.example"
DJANGO = "docs.djangoproject.com"
"""Where the page of a new Django project leads."""

_BLOCK = re.compile(r"```python\n# (?P<file>\S+): (?P<command>.+)\n(?P<code>[^`]+)```")
_SOCKETS = {"uvicorn": ("--fd", "FD"), "gunicorn": ("-b", "fd://FD"), "python": ("-P", "PORT")}


class Block(NamedTuple):
    """A file of the README, and what its first line says it is run by."""

    file: str
    command: str
    code: str


BLOCKS = [Block(**found.groupdict()) for found in _BLOCK.finditer((TESTS.parent / "README.md").read_text())]


def test_every_python_block_says_its_file_and_its_server() -> None:
    assert len(BLOCKS) == (TESTS.parent / "README.md").read_text().count("```python") == 5


@contextmanager
def _running(command: str, folder: Path, calls: Vendors) -> Iterator[int]:
    """The port of the README's app with this command."""
    (block,) = (block for block in BLOCKS if block.command.startswith(command))
    if block.file.startswith("mysite/"):
        subprocess.run([BIN / "django-admin", "startproject", "mysite", folder], check=True)
    (folder / block.file).write_text(block.code)
    configuration(folder, calls, HOST, SHOP, DJANGO)
    program, *arguments = shlex.split(block.command)
    pair = Pair(block.command, (str(BIN / program), *arguments, *_SOCKETS[program]))
    served = Served(pair, folder, {"PYTHONPATH": str(folder)})
    try:
        _check_arrival(Visitor(served.port, host=HOST))
        yield served.port
    finally:
        served.end()
    assert served.waiting() == 0


def _check_arrival(visitor: Visitor) -> None:
    answer = visitor.ask("/?page=2&kmi=ann%40acme.example")
    assert (answer.status, answer.headers["Location"]) == (302, "/?page=2")
    assert answer.cookies == {"km_ni": "ann%40acme.example"}


def test_fastapi_names_who_logs_in(tmp_path: Path, calls: Vendors) -> None:
    with _running("uvicorn app:app", tmp_path, calls) as port:
        answer = Visitor(port, host=HOST).ask("/login?name=grace", "POST")
        assert answer.cookies == {"km_ni": "grace"}
        calls.wait("kissmetrics", "/a", _p=ANONYMOUS, _n="grace")


@pytest.mark.parametrize("command", ["uvicorn mysite.asgi", "gunicorn mysite.wsgi"])
def test_a_new_django_projects_page_is_decorated(tmp_path: Path, calls: Vendors, command: str) -> None:
    with _running(command, tmp_path, calls) as port:
        assert f'href="https://{DJANGO}/en/'.encode() in (page := Visitor(port, host=HOST).ask("/").body)
        assert page.count(f"https://{DJANGO}/".encode()) == page.count(b"?kmi=y75F") > 0


def test_flask_decorates_a_link_in_json(tmp_path: Path, calls: Vendors) -> None:
    with _running("gunicorn app:app", tmp_path, calls) as port:
        said = json.loads(Visitor(port, host=HOST).ask("/cart.json").body)
        assert said["checkout"].startswith(f"https://{SHOP}/checkout?kmi=y75F")


def test_aiohttp_forgets_who_logs_out(tmp_path: Path, calls: Vendors) -> None:
    with _running("python -m aiohttp.web", tmp_path, calls) as port:
        answer = Visitor(port, host=HOST, km_ni="ann").ask("/logout", "POST")
        assert answer.headers["Location"] == "/"
        assert answer.cookies["km_ni"] == ""
        assert answer.cookies["km_ai"] not in ("", ANONYMOUS)
