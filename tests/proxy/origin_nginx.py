"""A real nginx as the upstream."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/plain txt; text/css css; }}
    gzip on;
    gzip_types text/css;
    gzip_min_length 0;
    gzip_proxied any;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        location /up/ {{ dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; }}
        location /list/ {{ autoindex on; autoindex_format json; }}
        location /said/ {{ return 200 "$request_method $request_uri $http_x_odd $http_cookie"; }}
        location /teapot {{ return 418; }}
        location /away {{ return 307 http://b.example/x?y; }}
        location /locked {{ auth_basic "x"; auth_basic_user_file /dev/null; }}
        location /small {{ client_max_body_size 1k; dav_methods PUT; }}
    }}
}}
"""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A real nginx that serves ``folder/files``; it is handed its listening socket, as at an upgrade."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_NGINX.format(user=user, folder=folder, port=port))
        process = subprocess.Popen(
            ["nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")],
            env={**os.environ, "NGINX": f"{listener.fileno()};"},
            pass_fds=[listener.fileno()],
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
