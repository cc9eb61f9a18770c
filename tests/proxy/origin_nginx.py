"""A real nginx, as odd as its directives make it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import served_nginx

_SERVER = """\
types {{ text/plain txt; text/css css; }}
gzip_types text/css;
root {folder}/files;
location /up/ {{ dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; }}
location /list/ {{ autoindex on; autoindex_format json; }}
location /said/ {{ return 200 "$request_method $request_uri $http_x_odd $http_cookie"; }}
location /teapot {{ return 418; }}
location /away {{ return 307 http://b.example/x?y; }}
location /locked {{ auth_basic "x"; auth_basic_user_file /dev/null; }}
location /small {{ client_max_body_size 1k; dav_methods PUT; }}
"""


def serving(folder: Path) -> AbstractContextManager[str]:
    """nginx, serving ``folder/files``, as ``http://127.0.0.1:port``."""
    return served_nginx.running(folder, _SERVER.format(folder=folder))
