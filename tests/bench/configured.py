"""kmproxy's configuration, in whichever way it is run."""

from __future__ import annotations

from pathlib import Path

from .cases import HOST

_CONFIG = """\
{server}
[outbox]
url = "sqlite:{folder}/outbox.db"
[[site]]
name = "bench"
kissmetrics = {{ api_key = "key", endpoint = "http://127.0.0.1:9" }}
mixpanel = {{ token = "token", endpoint = "http://127.0.0.1:9" }}
[[site.domain]]
host = "{host}"
{upstream}
[[site.domain]]
host = "shop.example"
"""

_SERVER = """\
[server]
listen = ["127.0.0.1:{port}"]
admin = ""
"""


def proxy(folder: Path, port: int, upstream: int) -> Path:
    """The file of a reverse proxy on ``port`` in front of ``upstream``."""
    return _written(folder, _SERVER.format(port=port), f'upstream = "http://127.0.0.1:{upstream}"')


def middleware(folder: Path) -> Path:
    """The file of a middleware."""
    return _written(folder, "", "")


def _written(folder: Path, server: str, upstream: str) -> Path:
    file = folder / "kmproxy.toml"
    file.write_text(_CONFIG.format(server=server, folder=folder, host=HOST, upstream=upstream))
    return file
