from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from outbox_kit import Clock, open_file

from kmproxy.outbox.duty import Duty

pytest_plugins = ("outbox_fixtures",)


def run(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _KIT + code, str(directory)], capture_output=True, text=True, check=False
    )


_KIT = """
import asyncio, os, signal, sys
from contextlib import suppress
from pathlib import Path
from kmproxy.errors import OutboxError
from kmproxy.outbox import SqliteOutbox
from kmproxy.outbox.duty import Duty
from kmproxy.tracking import TrackingCall

class Turn:
    def __init__(self): self.receiver, self.sender = os.pipe()
    def pass_on(self): os.write(self.sender, b"x")
    def wait(self): os.read(self.receiver, 1)

def put(outbox): outbox.put_blocking([TrackingCall("kissmetrics", "ann", "GET", "https://vendor.example/")])

path = Path(sys.argv[1]) / "outbox.db"
"""

CHILD_OUTLIVES_PARENT = """
to_parent, to_child = Turn(), Turn()
inherited = SqliteOutbox(path)
put(inherited)
if os.fork() == 0:
    own = SqliteOutbox(path)
    put(own)
    to_parent.pass_on()
    to_child.wait()
    put(own)
    with suppress(OutboxError):
        put(inherited)
    os._exit(0)
to_parent.wait()
inherited.close()  # would take the log away from under a child that inherited its locks but in name
to_child.pass_on()
os.wait()
"""


async def test_a_child_loses_nothing_when_its_parent_closes_the_file_both_have_open(
    tmp_path: Path, clock: Clock
) -> None:
    assert run(CHILD_OUTLIVES_PARENT, tmp_path).stderr == ""
    with closing(open_file(tmp_path, clock)) as outbox:
        assert (await outbox.stats()).waiting == 3


PARENT_GOES_ON = """
outbox = SqliteOutbox(path)
assert asyncio.run(outbox.next_due()) == {}
for _ in range(20):
    put(outbox)
    if os.fork() == 0:
        assert asyncio.run(SqliteOutbox(path).next_due()) == {}
        os._exit(0)
    assert os.wait()[1] == 0
put(outbox)
assert len(asyncio.run(outbox.next_due())) == 1
"""


async def test_a_parent_goes_on_with_its_outbox_and_its_duty(tmp_path: Path, clock: Clock) -> None:
    assert run(PARENT_GOES_ON, tmp_path).stderr == ""
    with closing(open_file(tmp_path, clock)) as outbox:
        assert (await outbox.stats()).waiting == 21


LEAVES_A_CHILD = """
turn = Turn()
duty = Duty(path)
assert duty.take()
if os.fork() == 0:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_its_duty_even_if_a_child_of_it_lives_on(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", _KIT + LEAVES_A_CHILD, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"forked\n"
        assert process.wait() == -signal.SIGKILL
        duty = Duty(tmp_path / "outbox.db")
        assert duty.take()
        duty.release()
        process.communicate()


def test_the_duty_is_one_processs_at_a_time(tmp_path: Path) -> None:
    one, other = Duty(tmp_path / "duty"), Duty(tmp_path / "duty")
    assert one.take()
    assert not other.take()
    one.release()
    one.release()
    assert other.take()
    other.release()
