"""What the figures were measured on, and with."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from .apache import executable
from .install import LOL_HTML, MITMDUMP
from .upstream import NGINX

_PACKAGES = (
    *("kmproxy", "aiohttp", "uvloop", "httptools", "isal"),
    *("fastapi", "starlette", "uvicorn", "flask", "gunicorn"),
)


def describe() -> dict[str, str]:
    """Names and versions."""
    return {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "nginx": _said([NGINX, "-v"], r"nginx/([\d.]+)"),
        "Apache": _said([executable() or "apache2", "-v"], r"Apache/([\d.]+)"),
        "mitmproxy": _said([str(MITMDUMP), "--version"], r"Mitmproxy: ([\d.]+)"),
        "python-lolhtml": _lol_html(),
        "wrk": _said(["wrk", "-v"], r"wrk \D*([\d.]+)"),
    }


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _said(command: list[str], pattern: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except OSError:
        return "none"
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def _lol_html() -> str:
    found = next(LOL_HTML.glob("python_lolhtml-*.dist-info"), None)
    return found.name.removesuffix(".dist-info").rpartition("-")[2] if found else "none"
