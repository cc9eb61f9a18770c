"""The commands as a user runs them; in this process where that proves the same."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import measured
import pytest
from typer.testing import CliRunner

from kmproxy import __version__
from kmproxy.cli import app

KMPROXY = [sys.executable, "-c", "from kmproxy.cli import app; app()"]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*KMPROXY, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60, check=False
    )


CONFIG = """
[server]
listen = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[[site]]
name = "acme"
kissmetrics = {{ api_key = "key" }}

  [[site.domain]]
  host = "a.example"
  upstream = "{upstream}"

  [[site.domain]]
  host = "b.example"
"""


class _Origin(BaseHTTPRequestHandler):
    entered = threading.Event()
    go_on = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.entered.set()
            self.go_on.wait(10)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Origin)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def serving(cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A running ``kmproxy serve``: the process, its address, its admin address."""
    environment = {**measured.environment(), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*KMPROXY, "serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=environment,
    )
    assert process.stdout
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        yield process, lines[1].split()[-1], lines[2].split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def get(address: str, path: str, host: str, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address + path, headers={"Host": host, **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_serve_serves_every_domain_and_tells_where(tmp_path: Path, upstream: str) -> None:
    (tmp_path / "kmproxy.toml").write_text(CONFIG.format(upstream=upstream))
    with serving(tmp_path) as (process, address, admin):
        assert get(address, "/", "a.example") == (200, b"ok")
        assert get(address, "/", "b.example")[0] == 421
        assert get(admin, "/healthz", "x") == (200, b"ok\n")
        assert get(admin, "/readyz", "x") == (200, b"ready\n")
        status, text = get(admin, "/metrics", "x")
        assert status == 200
        assert b'kmproxy_responses_total{site="acme",status="2xx"} 1.0' in text
        assert float(text.partition(b"\nkmproxy_outbox_fullness ")[2].split()[0]) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_request_in_flight_ends_before_the_server_does(tmp_path: Path, upstream: str) -> None:
    (tmp_path / "kmproxy.toml").write_text(CONFIG.format(upstream=upstream))
    found: list[tuple[int, bytes]] = []
    with serving(tmp_path) as (process, address, _):
        asking = threading.Thread(target=lambda: found.append(get(address, "/slow", "a.example")))
        asking.start()
        assert _Origin.entered.wait(10)
        process.send_signal(signal.SIGTERM)
        _Origin.go_on.set()
        asking.join(10)
        assert process.wait(10) == 0
    assert found == [(200, b"ok")]


def test_a_wrong_configuration_is_refused_whole_with_every_line(in_tmp: Path) -> None:
    (in_tmp / "kmproxy.toml").write_text('[server]\nlistn = ["x"]\n\n[[site]]\nname = ""\n')
    for command in ("serve", "check"):
        done = CliRunner().invoke(app, [command])
        assert done.exit_code == 2
        assert "kmproxy.toml:2: server.listn: unknown key" in done.stderr
        assert "kmproxy.toml:5: site[0].name:" in done.stderr
        assert done.stderr.rstrip().endswith("nothing was started.")


def test_an_address_in_use_is_told_and_nothing_runs_on(tmp_path: Path, upstream: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = CONFIG.format(upstream=upstream).replace(
            "127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}", 1
        )
        (tmp_path / "kmproxy.toml").write_text(text)
        done = run("serve", cwd=tmp_path)
    assert done.returncode == 1
    assert "can't listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_tells_of_scopes_links_and_upstreams(in_tmp: Path, upstream: str) -> None:
    (in_tmp / "kmproxy.toml").write_text(CONFIG.format(upstream=upstream))
    done = CliRunner().invoke(app, ["check"])
    assert done.exit_code == 0
    assert "kissmetrics cookie on a.example and all below it" in done.stdout
    assert f"upstream {upstream} takes connections" in done.stdout
    assert "links a.example -> b.example are decorated" in done.stdout
    assert "no upstream: linked to, not served here" in done.stdout


def test_check_names_an_upstream_that_does_not_answer(in_tmp: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    (in_tmp / "kmproxy.toml").write_text(CONFIG.format(upstream=url))
    assert f"upstream {url} CAN'T BE REACHED" in CliRunner().invoke(app, ["check"]).stdout


def test_check_tells_how_each_upstream_would_be_asked(tmp_path: Path, upstream: str) -> None:
    port = upstream.rpartition(":")[2]
    upstreams = f'["{upstream}", "https://127.0.0.1:{port}", "unix:{tmp_path}/none.sock"]'
    config = CONFIG.replace('"{upstream}"', "{upstream}").format(upstream=upstreams)
    checked = config.replace("upstream =", 'health_check = { path = "/" }\n  upstream =')
    (tmp_path / "kmproxy.toml").write_text(checked)
    said = run("check", cwd=tmp_path).stdout
    assert f"upstream {upstream} takes connections, answers its health check with 200" in said
    assert f"upstream https://127.0.0.1:{port} SPEAKS NO TLS WE UNDERSTAND: WRONG_VERSION_NUMBER" in said
    assert f"upstream unix:{tmp_path}/none.sock CAN'T BE REACHED: No such file or directory" in said


def test_schema_is_json_that_knows_the_tables() -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert {"server", "outbox", "site"} <= schema["properties"].keys()


def test_help_names_every_command_and_version_is_told() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    for command in ("serve", "check", "explain", "outbox", "schema", "demo"):
        assert command in text
    assert run("--version").stdout == f"kmproxy {__version__}\n"
