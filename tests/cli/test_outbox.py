"""``kmproxy outbox`` as an operator runs it: before, beside and after a server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from test_cli import CONFIG, KMPROXY, get, run, serving

NOBODY_LISTENS = "http://127.0.0.1:9"


def _configure(directory: Path, url: str = "sqlite:kmproxy-outbox.db") -> None:
    text = CONFIG.format(upstream=NOBODY_LISTENS).replace(
        'api_key = "key"', f'api_key = "key", endpoint = "{NOBODY_LISTENS}"'
    )
    (directory / "kmproxy.toml").write_text(text + f'[outbox]\nurl = "{url}"\n')


def test_a_file_that_is_missing_is_no_error_and_is_not_made(tmp_path: Path) -> None:
    _configure(tmp_path)
    done = run("outbox", cwd=tmp_path)
    file = tmp_path / "kmproxy-outbox.db"
    assert (done.returncode, done.stderr) == (0, "")
    assert f"nothing has been queued yet: there is no {file}\n" in done.stdout
    assert "counts from where `kmproxy serve` was started" in done.stdout
    machine = run("outbox", "--json", cwd=tmp_path)
    assert json.loads(machine.stdout)["waiting"] == 0
    assert run("outbox", "forget", "ann", cwd=tmp_path).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kmproxy.toml"]


def test_beside_a_running_server_what_waits_is_told_and_forgotten(tmp_path: Path) -> None:
    _configure(tmp_path)
    with serving(tmp_path) as (_, address, _):
        headers = {"Cookie": "km_ai=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D", "Sec-Fetch-Dest": "document"}
        get(address, "/?kmi=ann%40acme.example", "a.example", **headers, **{"User-Agent": "Mozilla/5.0"})
        told = run("outbox", cwd=tmp_path).stdout
        assert "kissmetrics: 1 call of 1 person, next" in told
        assert "ann" not in told.replace(str(tmp_path), "")
        assert run("outbox", "forget", "ann@acme.example", cwd=tmp_path).stdout == "1 call deleted\n"
        assert get(address, "/", "a.example")[0] == 502
    assert "waiting: 0 calls" in run("outbox", cwd=tmp_path).stdout


@pytest.mark.parametrize(("answer", "status", "words"), [(b"n\n", 1, ""), (b"y\n", 0, "0 calls deleted")])
def test_on_a_terminal_forgetting_is_asked_about(
    tmp_path: Path, answer: bytes, status: int, words: str
) -> None:
    _configure(tmp_path)
    terminal, stdin = pty.openpty()
    os.write(terminal, answer)
    done = subprocess.run(
        [*KMPROXY, "outbox", "forget", "ann", "bob"],
        stdin=stdin,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    os.close(stdin)
    assert "Delete every waiting and set-apart call of 2 persons?" in done.stdout
    assert done.returncode == status
    assert words in done.stdout


def test_a_store_that_cannot_be_read_is_named_without_a_password(tmp_path: Path) -> None:
    _configure(tmp_path)
    (tmp_path / "kmproxy-outbox.db").write_bytes(b"no database" * 999)
    done = run("outbox", cwd=tmp_path)
    assert done.returncode == 1
    assert "kmproxy-outbox.db: file is not a database" in done.stderr
    _configure(tmp_path, "redis://:secret@127.0.0.1:9/0")
    done = run("outbox", cwd=tmp_path)
    assert done.returncode == 1
    assert "redis://127.0.0.1:9/0" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_configuration_may_be_named_before_or_behind_the_subcommand(tmp_path: Path) -> None:
    _configure(tmp_path)
    file = str(tmp_path / "kmproxy.toml")
    for words in (("-c", file, "replay", "--all"), ("replay", "--all", "-c", file)):
        assert "0 calls queued again" in run("outbox", *words).stdout
    assert run("outbox", "-c", str(tmp_path / "none.toml")).returncode == 2
