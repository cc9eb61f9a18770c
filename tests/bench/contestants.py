"""The contestants: each a real server with one worker, told to do the same as well as it can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import apache, configured, middleware, nginx
from .cases import KINDS
from .install import MITMDUMP

Command = Callable[[Path, int, int], list[str]]
"""The command of a server with its files in a folder, on a port, in front of an upstream's port."""

_HERE = Path(__file__).parent
_APP = frozenset({"middleware"})
_ALL = frozenset(KINDS) - _APP
_GZIP = frozenset({"seen"})
_PLAIN = frozenset(kind.name for kind in KINDS.values() if not kind.gzip and not kind.asset) - _APP
_PASSING = frozenset({"seen", "seen-plain", "asset"})

KMPROXY, AIOHTTP, FLOOR = "kmproxy", "aiohttp", "floor"
PASS, SUB, SUB_PLAIN, LUA = "nginx-pass", "nginx-sub", "nginx-sub-plain", "nginx-lua"
APACHE, MITM = "apache", "mitmproxy"

FASTAPI, FASTAPI_GZIP, FLASK, FLASK_COMPRESS = "fastapi", "fastapi-gzip", "flask", "flask-compress"

BASELINE = SUB
"""What all others are compared with, but for apps."""


@dataclass(frozen=True)
class Contestant:
    """A server, and the kinds of case it takes part in."""

    name: str
    title: str
    command: Command
    kinds: frozenset[str]
    rewrites: bool
    note: str
    baseline: str = BASELINE
    """The contestant that it is compared with."""


def _kmproxy(folder: Path, port: int, upstream: int) -> list[str]:
    file = configured.proxy(folder, port, upstream)
    return [str(Path(sys.executable).parent / "kmproxy"), "serve", "-c", str(file)]


def _mitmproxy(folder: Path, port: int, upstream: int) -> list[str]:
    return [
        *(
            str(MITMDUMP),
            "-q",
            "--mode",
            f"reverse:http://127.0.0.1:{upstream}",
            "--listen-host",
            "127.0.0.1",
        ),
        *("--listen-port", str(port), "--set", "keep_host_header=true", "--set", f"confdir={folder}"),
        *("-s", str(_HERE / "mitm_addon.py")),
    ]


def _python(script: str) -> Command:
    return lambda _, port, upstream: [sys.executable, str(_HERE / script), str(port), str(upstream)]


def _apps(*apps: tuple[str, str, Command, str], baseline: str) -> Iterator[Contestant]:
    for name, title, command, note in apps:
        yield Contestant(name, title, command, _APP, "kmproxy" in name, note, baseline)


EVERYBODY = (
    Contestant(
        *(KMPROXY, "kmproxy", _kmproxy, _ALL, True),
        "KISSmetrics and Mixpanel; compresses as the upstream does",
    ),
    Contestant(
        *(PASS, "nginx proxy_pass", nginx.passing, _PASSING, False),
        "nothing rewritten, nothing compressed",
    ),
    Contestant(
        *(SUB, "nginx sub_filter", nginx.sub_filter, _ALL, True),
        "a fixed string replaced, gzip level 1; asks the upstream for plain pages",
    ),
    Contestant(
        *(SUB_PLAIN, "nginx sub_filter, no gzip", nginx.sub_filter_plain, _PLAIN, True),
        "the same, answering as plainly as an upstream that does not compress",
    ),
    Contestant(
        *(LUA, "nginx + Lua", nginx.lua, _GZIP, True),
        "a body filter that collects the page, one compiled regex, gzip level 1; asks for plain pages",
    ),
    Contestant(
        *(APACHE, "Apache mod_proxy_html", apache.command, _GZIP, True),
        "links of <a> only, mod_deflate level 1; asks for plain pages",
    ),
    Contestant(
        *(MITM, "mitmproxy", _mitmproxy, _GZIP, True),
        "reverse mode, an add-on with one regex, zlib level 1; asks for plain pages",
    ),
    Contestant(
        *(AIOHTTP, "aiohttp pass-through", _python("passthrough.py"), _ALL, False),
        "aiohttp's server and client on uvloop, streaming, nothing decoded or rewritten",
    ),
    Contestant(
        *(FLOOR, "aiohttp + kmproxy.upstream", _python("floor.py"), _PASSING, False),
        "aiohttp's server and kmproxy's way to the upstream, nothing rewritten: kmproxy's floor",
    ),
    *_apps(
        (FASTAPI, "FastAPI", middleware.fastapi("plain"), "uvicorn; nothing compressed"),
        (FASTAPI_GZIP, "FastAPI, gzip", middleware.fastapi("gzip"), "Starlette's GZipMiddleware, level 9"),
        (f"{FASTAPI}-kmproxy", "FastAPI, kmproxy", middleware.fastapi("kmproxy"), "nothing compressed"),
        (
            *(f"{FASTAPI}-gzip-kmproxy", "FastAPI, gzip around kmproxy", middleware.fastapi("gzip+kmproxy")),
            "GZipMiddleware compresses what kmproxy has decorated",
        ),
        (
            *(f"{FASTAPI}-kmproxy-gzip", "FastAPI, kmproxy around gzip", middleware.fastapi("kmproxy+gzip")),
            "kmproxy compresses what GZipMiddleware would",
        ),
        (
            *(f"{FASTAPI}-kmproxy-gzipped", "FastAPI, kmproxy, pages kept as gzip"),
            *(middleware.fastapi("kmproxy+gzipped"), "compressed once, level 6"),
        ),
        baseline=FASTAPI_GZIP,
    ),
    *_apps(
        (FLASK, "Flask", middleware.flask("plain"), "gunicorn, gthread, eight threads; nothing compressed"),
        (FLASK_COMPRESS, "Flask, gzip", middleware.flask("compress"), "Flask-Compress, level 6"),
        (f"{FLASK}-kmproxy", "Flask, kmproxy", middleware.flask("kmproxy"), "nothing compressed"),
        (
            *(
                f"{FLASK}-kmproxy-compress",
                "Flask, kmproxy around gzip",
                middleware.flask("kmproxy+compress"),
            ),
            "kmproxy compresses what Flask-Compress would",
        ),
        (
            *(f"{FLASK}-kmproxy-gzipped", "Flask, kmproxy, pages kept as gzip"),
            *(middleware.flask("kmproxy+gzipped"), "compressed once, level 6"),
        ),
        baseline=FLASK_COMPRESS,
    ),
)
"""In the order of the report. What depends on no page's history is measured with pages seen before only."""

BASELINES = {contestant.name: contestant.baseline for contestant in EVERYBODY}
