"""A real nginx, as an upstream or in front."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from needs import program

_CONFIG = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_min_length 0;
    gzip_proxied any;
    {http}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


@contextmanager
def running(folder: Path, server: str, http: str = "") -> Iterator[str]:
    """nginx with the directives ``server``, as ``http://127.0.0.1:port``; ``folder`` is for its files.

    ``http``: directives that stand beside the server.

    It is handed its listening socket as one nginx hands it to the next at an upgrade: no port
    is lost to anybody else, and a connection made before it is up waits.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        config = folder / "nginx.conf"
        # The files are readable to whoever runs the tests: as root, its workers would be somebody else.
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(_CONFIG.format(user=user, folder=folder, http=http, server=server, port=port))
        nginx = subprocess.Popen(
            [program("nginx", "nginx-light"), "-e", str(folder / "error.log"), "-c", str(config)],
            env={**os.environ, "NGINX": f"{listener.fileno()};"},
            pass_fds=[listener.fileno()],
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        nginx.terminate()
        nginx.wait(10)
