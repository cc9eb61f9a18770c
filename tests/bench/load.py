"""The load: wrk, and single requests to see whether the answers are right."""

from __future__ import annotations

import gzip
import http.client
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import LOAD_CORE

_WRK = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", "--latency"]
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """What wrk saw: seconds everywhere."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: str


@dataclass(frozen=True)
class Answer:
    """One answer: its decoded body, and what it took on the wire."""

    status: int
    coding: str
    body: bytes
    size: int


def run(
    port: int,
    path: str,
    headers: dict[str, str],
    connections: int,
    seconds: int,
    script: Path | None = None,
) -> Load:
    """As many requests as ``connections`` can take, for ``seconds``; each as wrk's ``script`` makes it."""
    fields = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    limits = [
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        *(["-s", str(script)] if script else []),
    ]
    said = subprocess.run(
        [*_WRK, *limits, *fields, f"http://127.0.0.1:{port}{path}"],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    ).stdout
    return parse(said)


def parse(said: str) -> Load:
    """Read wrk's report."""
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", said)
    errors = " ".join(re.findall(r"(?:Socket errors|Non-2xx).*", said))
    if done is None:
        return Load(0, 1, 0, 0, errors or "wrk said nothing")
    seconds = float(done[2]) * _UNITS[done[3]]
    return Load(int(done[1]), seconds, _quantile(said, 50), _quantile(said, 99), errors)


def _quantile(said: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)", said, re.MULTILINE)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def fetch(port: int, path: str, headers: dict[str, str]) -> Answer:
    """One request. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    coding = response.headers.get("Content-Encoding", "")
    head = sum(len(name) + len(value) + 4 for name, value in response.headers.items())
    return Answer(
        response.status, coding, gzip.decompress(body) if coding == "gzip" else body, head + len(body)
    )
