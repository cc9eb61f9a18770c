from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from outbox_kit import Clock, call, names
from outbox_stores import Store

pytest_plugins = ("outbox_fixtures",)


PUTTER = """
import sys
from kmproxy.outbox import open_outbox
from kmproxy.tracking import TrackingCall
outbox = open_outbox(sys.argv[1])
for number in range(1_000_000):
    outbox.put_blocking([TrackingCall("kissmetrics", sys.argv[2], "GET", f"https://vendor.example/?_n={number}")])
    print(number, flush=True)
"""


def putter(store: Store, person: str = "ann") -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PUTTER, store.url, person]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], accepted: int) -> int:
    """How many calls the process said were accepted before it was killed."""
    assert process.stdout is not None
    with process, process.stdout as lines:
        for _ in range(accepted):
            lines.readline()
        process.send_signal(signal.SIGKILL)
        return accepted + sum(line.endswith("\n") for line in lines)


async def test_a_killed_process_loses_no_call_that_put_had_accepted(store: Store, clock: Clock) -> None:
    accepted = kill_after(putter(store), 50)
    clock.now = time.time() + 5
    with closing(store.open(clock)) as outbox:
        assert (await outbox.stats()).waiting - accepted in (0, 1)  # 1: on disk, not yet said
        for number in range(accepted):
            [claimed] = await outbox.claim(2, clock.now)
            assert names([claimed]) == [str(number)]
            await outbox.done(claimed.id)


async def test_several_processes_may_open_one_store_at_once_and_put_into_it(
    store: Store, clock: Clock
) -> None:
    processes = [putter(store, f"person {number}") for number in range(4)]
    accepted = sum([kill_after(process, 20) for process in processes])
    with closing(store.open(clock)) as outbox:
        assert 0 <= (await outbox.stats()).waiting - accepted <= 4


CLAIMER = """
import asyncio, os, signal, sys
from kmproxy.outbox import open_outbox
outbox = open_outbox(sys.argv[1])
assert len(asyncio.run(outbox.claim(10, float(sys.argv[2])))) == 2
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_second_process_takes_over_a_dead_ones_claims(store: Store, clock: Clock) -> None:
    with closing(store.open(clock)) as outbox:
        await outbox.put([call("ann", "1"), call("bob", "2"), call("ann", "3")])
        arguments = [sys.executable, "-c", CLAIMER, store.url, str(clock.now)]
        died = await asyncio.to_thread(subprocess.run, arguments)
        assert died.returncode == -signal.SIGKILL
        assert names(await outbox.claim(10, clock.now + 60)) == ["1", "2"]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_a_file_whose_sender_died_lends_its_claims_again_at_once_but_waits_with_what_failed(
    store: Store, clock: Clock
) -> None:
    with closing(store.open(clock)) as outbox:
        await outbox.put([call("ann", "1"), call("bob", "2"), call("ann", "3")])
        with closing(store.open(clock)) as died:
            one, other = await died.claim(10, clock.now)
            assert await outbox.claim(10, clock.now + 60) == []
            assert await outbox.next_due() == {}
            await died.fail(other.id, retry_at=clock.now + 30, reason="HTTP 500")
        again = await outbox.claim(10, clock.now)
        assert [(claimed.id, claimed.attempts) for claimed in again] == [(one.id, 2)]
        assert await outbox.claim(10, clock.now + 29) == []
        assert names(await outbox.claim(10, clock.now + 30)) == ["2"]
