"""Apache with mod_proxy_html and mod_deflate as a contestant."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MODULES = Path("/usr/lib/apache2/modules")
_NAMES = [
    *("mpm_event", "authz_core", "setenvif", "env", "headers", "filter"),
    *("proxy", "proxy_http", "xml2enc", "proxy_html", "deflate"),
]

_CONFIG = """\
{modules}
ServerName blog.example
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LogLevel error
{user}
Listen 127.0.0.1:{port}
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MinSpareThreads 1
MaxSpareThreads 64
MaxRequestWorkers 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 300
DeflateCompressionLevel 1
# It leaves the upstream's answer plain, and the visitor's compressed all the same.
RequestHeader unset Accept-Encoding
SetEnv force-gzip 1
SetEnvIf Cookie "km_ai=([^;]+)" visitor=$1
ProxyPreserveHost On
ProxyPass / http://127.0.0.1:{upstream}/ keepalive=On
ProxyHTMLEnable On
ProxyHTMLInterp On
ProxyHTMLLinks a href
ProxyHTMLURLMap https://shop.example/ https://shop.example/?kmi=${{visitor|nobody}}&to=/ Vc
AddOutputFilterByType DEFLATE text/html
"""


def executable() -> str | None:
    return shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")


def command(folder: Path, port: int, upstream: int) -> list[str]:
    """One process of the event MPM."""
    modules = "\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in _NAMES)
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    file = folder / "apache.conf"
    file.write_text(_CONFIG.format(modules=modules, folder=folder, user=user, port=port, upstream=upstream))
    return [executable() or "apache2", "-DFOREGROUND", "-f", str(file)]
