"""The contestants: each a real server with one worker, told to do the same as well as it can."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import apache, nginx
from .cases import HOST, KINDS
from .install import MITMDUMP

Command = Callable[[Path, int, int], list[str]]
"""The command of a server with its files in a folder, on a port, in front of an upstream's port."""

_HERE = Path(__file__).parent
_ALL = frozenset(KINDS)
_GZIP = frozenset({"seen"})
_PLAIN = frozenset(kind.name for kind in KINDS.values() if not kind.gzip and not kind.asset)
_PASSING = frozenset({"seen", "seen-plain", "asset"})

KMPROXY, AIOHTTP, FLOOR = "kmproxy", "aiohttp", "floor"
PASS, SUB, SUB_PLAIN, LUA = "nginx-pass", "nginx-sub", "nginx-sub-plain", "nginx-lua"
APACHE, MITM = "apache", "mitmproxy"

BASELINE = SUB
"""What all others are compared with."""


@dataclass(frozen=True)
class Contestant:
    """A server, and the kinds of case it takes part in."""

    name: str
    title: str
    command: Command
    kinds: frozenset[str]
    rewrites: bool
    note: str


def _kmproxy(folder: Path, port: int, upstream: int) -> list[str]:
    file = folder / "kmproxy.toml"
    file.write_text(
        f"""\
[server]
listen = ["127.0.0.1:{port}"]
admin = ""
[outbox]
url = "sqlite:{folder}/outbox.db"
[[site]]
name = "bench"
kissmetrics = {{ api_key = "key", endpoint = "http://127.0.0.1:9" }}
mixpanel = {{ token = "token", endpoint = "http://127.0.0.1:9" }}
[[site.domain]]
host = "{HOST}"
upstream = "http://127.0.0.1:{upstream}"
[[site.domain]]
host = "shop.example"
"""
    )
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
)
"""In the order of the report. What depends on no page's history is measured with pages seen before only."""
