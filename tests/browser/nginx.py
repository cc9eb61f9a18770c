"""A real nginx: the upstream of every domain."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import served_nginx

# Corpus pages are static here: neither do their scripts run nor do they ask anybody for anything.
_SERVER = """\
types {{ text/html html; text/javascript js; }}
root {root}/$host;
location /corpus/ {{ add_header Content-Security-Policy "default-src 'none'"; }}
location /br/ {{ gzip off; add_header Content-Encoding br; }}
location /zstd/ {{ gzip off; add_header Content-Encoding zstd; }}
"""


def running(folder: Path, root: Path) -> AbstractContextManager[str]:
    """nginx, serving ``root/<host>/``, as ``http://127.0.0.1:port``."""
    folder.mkdir()
    return served_nginx.running(folder, _SERVER.format(root=root))
