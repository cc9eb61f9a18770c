"""``kmproxy outbox`` as an operator runs it: before, beside and after a server."""

from __future__ import annotations

import json
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_cli import CONFIG, get, serving
from typer.testing import CliRunner, Result

from kmproxy.cli import app

NOBODY_LISTENS = "http://127.0.0.1:9"

Ask = Callable[..., Result]


def _configure(directory: Path, url: str = "sqlite:kmproxy-outbox.db") -> None:
    text = CONFIG.format(upstream=NOBODY_LISTENS).replace(
        'api_key = "key"', f'api_key = "key", endpoint = "{NOBODY_LISTENS}"'
    )
    (directory / "kmproxy.toml").write_text(text + f'[outbox]\nurl = "{url}"\n')


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run ``kmproxy outbox`` in a directory with a configuration."""
    _configure(tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["outbox", *words])


def test_a_file_that_is_missing_is_no_error_and_is_not_made(ask: Ask, tmp_path: Path) -> None:
    done = ask()
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"nothing has been queued yet: there is no {tmp_path / 'kmproxy-outbox.db'}\n" in done.stdout
    assert "counts from where `kmproxy serve` was started" in done.stdout
    machine = ask("--json")
    assert json.loads(machine.stdout)["waiting"] == 0
    assert "nothing has been queued yet" in machine.stderr
    assert ask("forget", "ann").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kmproxy.toml"]


def test_beside_a_running_server_what_waits_is_told_and_forgotten(ask: Ask, tmp_path: Path) -> None:
    with serving(tmp_path) as (_, address, _):
        headers = {"Cookie": "km_ai=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D", "Sec-Fetch-Dest": "document"}
        get(address, "/?kmi=ann%40acme.example", "a.example", **headers, **{"User-Agent": "Mozilla/5.0"})
        told = ask().stdout
        assert "kissmetrics: 1 call of 1 person, next" in told
        assert "ann" not in told.replace(str(tmp_path), "")
        assert ask("forget", "ann@acme.example").stdout == "1 call deleted\n"
        assert get(address, "/", "a.example")[0] == 502
    assert "waiting: 0 calls" in ask().stdout


@pytest.mark.parametrize(("answer", "status", "words"), [(b"n\n", 1, ""), (b"y\n", 0, "0 calls deleted")])
def test_on_a_terminal_forgetting_is_asked_about(
    ask: Ask,
    answer: bytes,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as ended:
            app(["outbox", "forget", "ann", "bob"])
    os.close(ours)
    assert ended.value.code == status
    told = capfd.readouterr().out
    assert "Delete every waiting and set-apart call of 2 persons?" in told
    assert words in told


def test_a_store_that_cannot_be_read_is_named_without_a_password(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "kmproxy-outbox.db").write_bytes(b"no database" * 999)
    done = ask()
    assert done.exit_code == 1
    assert "kmproxy-outbox.db: file is not a database" in done.stderr
    _configure(tmp_path, "redis://:secret@127.0.0.1:9/0")
    done = ask()
    assert done.exit_code == 1
    assert "redis://127.0.0.1:9/0" in done.stderr
    assert "secret" not in done.stderr


def test_the_configuration_may_be_named_before_or_behind_the_subcommand(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "kmproxy.toml")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for words in (("-c", file, "replay", "--all"), ("replay", "--all", "-c", file)):
        assert "0 calls queued again" in ask(*words).stdout
    assert ask("-c", "none.toml").exit_code == 2
