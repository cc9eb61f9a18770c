from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from outbox_kit import Clock, call, names, open_file

pytest_plugins = ("outbox_fixtures",)


PUTTER = """
import sys
from pathlib import Path
from kmproxy.outbox import SqliteOutbox
from kmproxy.tracking import TrackingCall
outbox = SqliteOutbox(Path(sys.argv[1]))
for number in range(1_000_000):
    outbox.put_blocking([TrackingCall("kissmetrics", sys.argv[2], "GET", f"https://vendor.example/?_n={number}")])
    print(number, flush=True)
"""


def putter(directory: Path, person: str = "ann") -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PUTTER, str(directory / "outbox.db"), person]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], accepted: int) -> int:
    """How many calls the process said were accepted before it was killed."""
    assert process.stdout is not None
    with process, process.stdout as lines:
        for _ in range(accepted):
            lines.readline()
        process.send_signal(signal.SIGKILL)
        return accepted + sum(line.endswith("\n") for line in lines)


async def test_a_killed_process_loses_no_call_that_put_had_accepted(tmp_path: Path, clock: Clock) -> None:
    accepted = kill_after(putter(tmp_path), 50)
    clock.now = time.time() + 5
    with closing(open_file(tmp_path, clock)) as outbox:
        assert (await outbox.stats()).waiting - accepted in (0, 1)  # 1: on disk, not yet said
        for number in range(accepted):
            [claimed] = await outbox.claim(2, clock.now)
            assert names([claimed]) == [str(number)]
            await outbox.done(claimed.id)


async def test_several_processes_may_open_one_file_at_once_and_put_into_it(
    tmp_path: Path, clock: Clock
) -> None:
    processes = [putter(tmp_path, f"person {number}") for number in range(4)]
    accepted = sum([kill_after(process, 20) for process in processes])
    with closing(open_file(tmp_path, clock)) as outbox:
        assert 0 <= (await outbox.stats()).waiting - accepted <= 4


CLAIMER = """
import asyncio, os, signal, sys
from pathlib import Path
from kmproxy.outbox import SqliteOutbox
outbox = SqliteOutbox(Path(sys.argv[1]))
assert len(asyncio.run(outbox.claim(10, float(sys.argv[2])))) == 2
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_second_process_takes_over_a_dead_ones_claims(tmp_path: Path, clock: Clock) -> None:
    with closing(open_file(tmp_path, clock)) as outbox:
        await outbox.put([call("ann", "1"), call("bob", "2"), call("ann", "3")])
        arguments = [sys.executable, "-c", CLAIMER, str(tmp_path / "outbox.db"), str(clock.now)]
        died = await asyncio.to_thread(subprocess.run, arguments)
        assert died.returncode == -signal.SIGKILL
        assert await outbox.claim(10, clock.now) == []
        assert names(await outbox.claim(10, clock.now + 60)) == ["1", "2"]
