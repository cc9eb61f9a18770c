from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from outbox_kit import Clock, call, eventually
from outbox_stores import Store
from outbox_vendor import Vendor, hang, ok

from kmproxy.errors import OutboxError
from kmproxy.outbox.courier import Courier
from kmproxy.outbox.sender import Sender

pytest_plugins = ("outbox_fixtures",)


@pytest.fixture
def results() -> list[str]:
    return []


@pytest.fixture
async def courier(store: Store, results: list[str]) -> AsyncIterator[Courier]:
    courier = Courier(store.url, on_result=lambda provider, outcome: results.append(outcome))
    yield courier
    await asyncio.to_thread(courier.close, 0.0)


async def test_what_is_put_on_an_event_loop_is_sent_on_another(
    courier: Courier, vendor: Vendor, results: list[str]
) -> None:
    await asyncio.gather(*(courier.put([call(str(person), base=vendor.base)]) for person in range(20)))
    await eventually(lambda: len(results) == 20)
    assert set(results) == {"delivered"}
    assert len(vendor.took) == 20


async def test_what_threads_put_is_sent(courier: Courier, vendor: Vendor) -> None:
    def put(number: int) -> None:
        courier.put_blocking([call(str(number), base=vendor.base)])

    await asyncio.gather(*(asyncio.to_thread(put, number) for number in range(20)))
    await eventually(lambda: len(vendor.took) == 20)


async def test_what_was_in_flight_at_the_end_is_sent_by_the_next_start(
    courier: Courier, vendor: Vendor
) -> None:
    until = asyncio.Event()
    vendor.usual = hang(until)
    await courier.put([call("ann", "1", base=vendor.base), call("ann", "2", base=vendor.base)])
    await eventually(lambda: vendor.requests)
    await asyncio.to_thread(courier.close, 0.0)
    await asyncio.to_thread(courier.close, 0.0)
    until.set()
    vendor.usual = ok
    courier.start()
    courier.start()
    await eventually(lambda: len(vendor.took) == 2)
    assert vendor.took == [("ann", "1"), ("ann", "2")]
    assert len(vendor.requests) == 3


def test_nothing_to_put_opens_nothing(tmp_path: Path) -> None:
    courier = Courier(f"sqlite:{tmp_path / 'outbox.db'}")
    asyncio.run(courier.put([]))
    courier.put_blocking([])
    courier.close()
    assert list(tmp_path.iterdir()) == []


async def test_an_outbox_that_cant_be_opened_refuses_until_it_can(tmp_path: Path, vendor: Vendor) -> None:
    with closing(Courier(f"sqlite:{tmp_path / 'later' / 'outbox.db'}")) as courier:
        for refused in (courier.put([call()]), asyncio.to_thread(courier.start)):
            with pytest.raises(OutboxError, match="No such file or directory"):
                await refused
        (tmp_path / "later").mkdir()
        await courier.put([call(base=vendor.base)])
        await eventually(lambda: vendor.took)


async def test_without_a_thread_for_the_sender_the_call_is_refused_and_the_next_tries_again(
    courier: Courier, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crowded:
        crowded.setattr(asyncio, "new_event_loop", _too_many_files)
        with pytest.raises(OutboxError, match="Too many open files"):
            await courier.put([call()])
    await courier.put([call(base=vendor.base)])
    await eventually(lambda: vendor.took)


def _too_many_files() -> None:
    raise OSError(24, "Too many open files")


async def test_a_sender_that_ends_by_a_bug_is_told_of_and_what_is_put_is_kept(
    store: Store, courier: Courier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(sender: Sender) -> None:
        raise ValueError("SECRET")

    monkeypatch.setattr(Sender, "start", crash)
    courier.start()
    await eventually(lambda: "the sender has ended: ValueError" in caplog.text)
    await courier.put([call()])
    assert "SECRET" not in caplog.text
    with closing(store.open(Clock())) as outbox:
        assert (await outbox.stats()).waiting == 1


@pytest.mark.parametrize("module", ["aiohttp", "redis"])
def test_a_courier_that_was_not_started_needs_neither_aiohttp_nor_redis(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from kmproxy.outbox.courier import Courier; "
    code += "Courier('sqlite:none.db').close()"
    subprocess.run([sys.executable, "-c", code], check=True)
