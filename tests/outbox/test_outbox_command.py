"""``kmproxy outbox``, for each store: what it tells, what it replays, whom it forgets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from outbox_kit import Clock, call
from outbox_stores import Store
from typer.testing import CliRunner, Result

from kmproxy.cli import app, outbox_report
from kmproxy.cli import outbox as command
from kmproxy.outbox import Backlog, Outbox, SetApart, Stats
from kmproxy.tracking import TrackingCall

pytest_plugins = ("outbox_fixtures",)

CONFIG = """
[outbox]
url = "{url}"

[[site]]
name = "acme"
kissmetrics = {{ api_key = "key" }}

  [[site.domain]]
  host = "a.example"
"""

Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, store: Store) -> Ask:
    """Run ``kmproxy outbox`` on the store."""
    file = tmp_path / "kmproxy.toml"
    file.write_text(CONFIG.format(url=store.url))
    return lambda *words: CliRunner().invoke(app, ["outbox", *words, "-c", str(file)])


def in_store(store: Store, clock: Clock, work: Callable[[Outbox], Coroutine[Any, Any, None]]) -> None:
    with closing(store.open(clock)) as outbox:
        asyncio.run(work(outbox))


async def _fill(outbox: Outbox) -> None:
    """ann: one set apart and one waiting; bob: one failed; cleo: one set apart."""
    await outbox.put([call("ann", "1"), call("ann", "2"), call("bob", "3")])
    await outbox.put([call("cleo", "4", provider="mixpanel")])
    for claimed in await outbox.claim(9, Clock().now):
        if claimed.call.person == "bob":
            await outbox.fail(claimed.id, retry_at=Clock().now + 90, reason="HTTP 503")
        else:
            await outbox.set_apart(claimed.id, reason=f"HTTP 400 {claimed.call.provider}")


def test_what_waits_and_what_was_set_apart_is_told_without_an_identity(
    ask: Ask, store: Store, clock: Clock
) -> None:
    in_store(store, clock, _fill)
    done = ask()
    assert done.exit_code == 0
    assert "waiting: 2 calls, the oldest for" in done.stdout
    assert "kissmetrics: 2 calls of 2 persons, next overdue by" in done.stdout
    assert "set apart: 2 calls" in done.stdout
    assert "kissmetrics, 1 attempt since 2023-11-14T22:13:20Z: HTTP 400 kissmetrics" in done.stdout
    assert "is `kmproxy serve` running" in done.stdout
    assert "kmproxy outbox replay ID" in done.stdout
    for identity in ("ann", "bob", "cleo"):
        assert identity not in done.stdout
        assert identity not in ask("--json").stdout


def test_show_tells_whose_calls_were_set_apart_and_what_they_say(
    ask: Ask, store: Store, clock: Clock
) -> None:
    in_store(store, clock, _fill)
    assert "ann: GET https://vendor.example/e?_p=ann&_n=1" in ask("--show").stdout
    shown = json.loads(ask("--show", "--json").stdout)["calls_set_apart"]
    assert [(one["person"], one["method"]) for one in shown] == [("ann", "GET"), ("cleo", "GET")]


def test_json_holds_all_that_is_told(ask: Ask, store: Store, clock: Clock) -> None:
    in_store(store, clock, _fill)
    told = json.loads(ask("--json").stdout)
    assert told["waiting"] == told["set_apart"] == 2
    assert told["oldest_seconds"] > 1000
    assert 0 <= told["fullness"] < 0.01
    [row] = told["backlog"]
    assert (row["provider"], row["calls"], row["persons"]) == ("kissmetrics", 2, 2)
    assert row["due"] == "2023-11-14T22:13:20Z"
    first = told["calls_set_apart"][0]
    assert first.keys() == {"id", "provider", "attempts", "queued", "reason"}


def test_a_call_that_was_set_apart_is_replayed_by_its_id_once(ask: Ask, store: Store, clock: Clock) -> None:
    in_store(store, clock, _fill)
    first = json.loads(ask("--json").stdout)["calls_set_apart"][0]["id"]
    done = ask("replay", first, first)
    assert (done.exit_code, done.stdout) == (0, "1 call queued again\n")
    told = json.loads(ask("--json").stdout)
    assert (told["waiting"], told["set_apart"]) == (3, 1)
    again = ask("replay", first)
    assert again.exit_code == 1
    assert again.stdout == "0 calls queued again\n1 of the ids: no such call is set apart\n"


def test_all_that_was_set_apart_is_replayed_in_batches(
    ask: Ask, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmproxy.cli.outbox.BATCH", 1)
    in_store(store, clock, _fill)
    assert "and 1 more" in ask().stdout
    assert json.loads(ask("replay", "--all", "--json").stdout) == {"replayed": 2, "missing": 0}
    told = json.loads(ask("--json").stdout)
    assert (told["waiting"], told["set_apart"]) == (4, 0)
    assert ask("replay", "--all").stdout == "0 calls queued again\n"


@pytest.mark.parametrize("words", [(), ("1", "--all")])
def test_replay_is_told_what_to_replay(ask: Ask, words: tuple[str, ...]) -> None:
    done = ask("replay", *words)
    assert done.exit_code == 2
    assert "or say --all" in done.stderr


def test_persons_are_forgotten_whether_waiting_or_set_apart_and_nobody_else(
    ask: Ask, store: Store, clock: Clock
) -> None:
    in_store(store, clock, _fill)
    done = ask("forget", "ann", "cleo", "nobody", "ann")
    assert (done.exit_code, done.stdout) == (0, "3 calls deleted\n")
    told = json.loads(ask("--json").stdout)
    assert (told["waiting"], told["set_apart"]) == (1, 0)
    assert json.loads(ask("forget", "bob", "--yes", "--json").stdout) == {"forgotten": 1}
    assert "All is delivered" in ask().stdout


def test_whoever_sends_goes_on_sending(ask: Ask, store: Store, clock: Clock) -> None:
    async def between(outbox: Outbox) -> None:
        await _fill(outbox)
        clock.now += 100
        [bob] = [one for one in await outbox.claim(9, clock.now) if one.call.person == "bob"]
        for words in ((), ("--show",), ("forget", "cleo"), ("replay", "--all")):
            done = await asyncio.to_thread(ask, *words)
            assert done.exit_code == 0, done.output
        assert await outbox.claim(9, clock.now) == []
        await outbox.done(bob.id)
        assert (await outbox.stats()).waiting == 2

    in_store(store, clock, between)


def test_looking_at_a_file_is_no_claim_to_the_sending(
    ask: Ask, store: Store, clock: Clock, tmp_path: Path
) -> None:
    async def put(outbox: Outbox) -> None:
        await outbox.put([call("ann")])

    in_store(store, clock, put)
    for words in ((), ("replay", "--all"), ("forget", "bob")):
        assert ask(*words).exit_code == 0
    assert not (tmp_path / "outbox.db-duty").exists()


def test_what_a_visitor_wrote_moves_no_terminal(ask: Ask, store: Store, clock: Clock) -> None:
    async def put(outbox: Outbox) -> None:
        odd = "\x1b[2Jann\udc80:bug:[red]"
        await outbox.put([TrackingCall("kissmetrics", odd, "GET", "https://vendor.example/")])
        await outbox.set_apart((await outbox.claim(1, clock.now))[0].id, reason="HTTP 400")

    in_store(store, clock, put)
    assert "\\x1b[2Jann\\udc80:bug:[red]: GET" in ask("--show").stdout
    assert json.loads(ask("--show", "--json").stdout)["calls_set_apart"][0]["person"].startswith("\x1b[2J")


def _words(now: float, stats: Stats, *backlog: Backlog) -> str:
    standing = outbox_report.Standing("outbox.db", now, stats, backlog)
    return "\n".join(outbox_report.lines(standing, show=False))


def test_when_the_next_call_leaves_is_told_in_words() -> None:
    for due, words in (
        (1000.4, "next now"),
        (1060.0, "next in 1 minute"),
        (1000.0 + 7300, "next in 2 hours"),
        (1000.0 + 90000, "next in 1 day"),
        (910.0, "next overdue by 1 minute"),
    ):
        assert words in _words(1000.0, Stats(1, 0, 9.0), Backlog("mixpanel", 1, 1, due, ""))


def test_what_to_do_next_is_told() -> None:
    row = Backlog("mixpanel", 1, 1, 1060.0, "HTTP 503")
    assert "tried again by itself" in _words(1000.0, Stats(1, 0, 9.0), row)
    assert "is being delivered" in _words(1000.0, Stats(1, 0, 9.0), Backlog("mixpanel", 1, 1, 1000.0, ""))
    full = _words(1000.0, Stats(1, 0, 9.0, 0.93), row)
    assert "93% full" in full
    assert "left to the pages' JavaScript" in full
    assert "JavaScript" not in _words(1000.0, Stats(1, 0, 9.0, 0.5), row)


class _RefusesAgain:
    """A store beside a server whose vendor refuses what is replayed: there is always something apart."""

    def __init__(self) -> None:
        self.replayed: list[str] = []

    async def stats(self) -> Stats:
        return Stats(waiting=0, set_apart=3, oldest_age=0.0)

    async def refused(self, limit: int) -> list[SetApart]:
        return [
            SetApart(str(number), call("ann", "1"), 1, 0.0, "HTTP 400") for number in range(min(limit, 2))
        ]

    async def replay(self, ids: list[str]) -> int:
        assert len(self.replayed) < 100
        self.replayed += ids
        return len(ids)


async def test_replaying_all_ends_though_what_is_replayed_is_refused_again() -> None:
    outbox: Any = _RefusesAgain()
    assert await command._replay(outbox, []) == 3
    assert outbox.replayed == ["0", "1", "0"]
