"""The upstream: nginx, whose answers cost it next to nothing."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .pages import SIZES, Page
from .process import LOAD_CORE, Server, free_port
from .spots import MARK, Spotted, on_a_route, spotted, throughout

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

UNIQUE = frozenset({"spots", "spots-plain", "new", "new-plain"})
"""The kinds of case that need nginx's Lua module here."""

_HEAD = """\
{modules}
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 300;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/html html; image/jpeg jpg; text/plain txt; }}
    charset utf-8;
    {http}
}}
"""

_FILES = """\
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {root};
        open_file_cache max=1000;
        gzip_vary on;
        location /gz/ {{ gzip_static on; }}
        {unique}
    }}
"""

_UNIQUE_PAGES = """\
        location ~ ^/(gz|plain)/((?:spots|new)-\\w+)\\.html$ {{
            default_type text/html;
            content_by_lua_block {{ unique.answer(ngx.var[1], ngx.var[2]) }}
        }}
"""


def lua_modules() -> str | None:
    """nginx's directives that load its Lua module; None where it has none."""
    built = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True).stderr
    folder = next(
        (w[15:] for w in built.split() if w.startswith("--modules-path=")), "/usr/lib/nginx/modules"
    )
    files = [Path(folder) / f"{name}.so" for name in ("ndk_http_module", "ngx_http_lua_module")]
    return "\n".join(f"load_module {file};" for file in files) if all(f.exists() for f in files) else None


def config(folder: Path, http: str, modules: str = "") -> list[str]:
    """The command of an nginx with one worker that does what ``http`` says."""
    folder.mkdir(parents=True, exist_ok=True)
    # As root, its worker would be somebody else, who can't read the files.
    user = "user root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(_HEAD.format(modules=modules, user=user, folder=folder, http=http))
    return [NGINX, "-e", str(folder / "error.log"), "-c", str(file)]


def start(folder: Path, pages: list[Page]) -> Server:
    """Write the files and serve them."""
    root = folder / "root"
    for name in ("gz", "plain"):
        (root / name).mkdir(parents=True)
    _write_static(root, pages)
    modules = lua_modules()
    port = free_port()
    http = _FILES.format(port=port, root=root, unique=_UNIQUE_PAGES.format() if modules else "")
    if modules:
        script = _write_unique(folder, pages)
        http = f"    init_by_lua_block {{ unique = dofile('{script}') }}\n{http}"
    return Server(config(folder / "nginx", http, modules or ""), port, folder / "upstream.log", LOAD_CORE)


def _write_static(root: Path, pages: list[Page]) -> None:
    for page in pages:
        for name, html in (("page", page.html), ("original", page.original)):
            (root / "plain" / f"{name}-{page.size}.html").write_bytes(html)
            (root / "gz" / f"{name}-{page.size}.html").write_bytes(html)
            (root / "gz" / f"{name}-{page.size}.html.gz").write_bytes(gzip.compress(html, 6, mtime=0))
    for size, (length, _) in SIZES.items():
        picture = b"\xff\xd8\xff\xe0" + random.Random(size).randbytes(length)
        (root / "plain" / f"asset-{size}.jpg").write_bytes(picture)


def _write_unique(folder: Path, pages: list[Page]) -> Path:
    entries = []
    for page in pages:
        for name, html in (("spots", on_a_route(page.html)), ("new", throughout(page.html))):
            entries.append(_entry(folder, f"{name}-{page.size}", spotted(html)))
    script = folder / "unique.lua"
    source = (Path(__file__).parent / "unique.lua").read_text()
    script.write_text(source.replace("--PAGES--", "\n".join(entries)))
    return script


def _entry(folder: Path, name: str, page: Spotted) -> str:
    for coding, pieces in (("gz", page.gzip), ("plain", page.plain)):
        (folder / f"{name}.{coding}").write_bytes(MARK.join(pieces))
    return (
        f'["{name}"] = {{ file = "{folder / name}", size = {page.size}, crc = {page.crc}, '
        f"columns = {_lua(page.columns)} }},"
    )


def _lua(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
