from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from outbox_kit import call
from outbox_stores import Store

from kmproxy.errors import OutboxError
from kmproxy.outbox import Outbox, open_outbox

pytest_plugins = ("outbox_fixtures",)


@pytest.mark.parametrize("url", ["", "sqlite:", "outbox.db", "postgres://me:SECRET@localhost/0"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(OutboxError, match="expected sqlite:PATH or redis://host:6379/0") as refusal:
        open_outbox(url)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize("url", ["redis://:SECRET@host:port/0", "redis://:SECRET@[host"])
def test_a_redis_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(OutboxError, match="expected redis://host:6379/0") as refusal:
        open_outbox(url)
    assert "SECRET" not in str(refusal.value)


def test_without_a_thread_an_outbox_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def crowded(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", crowded)
        with pytest.raises(OutboxError, match="can't start new thread"):
            open_outbox(store.url)
    open_outbox(store.url).close()


def without(module: str, code: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules[{module!r}] = None; {code}"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("module", ["aiohttp", "redis"])
def test_opening_a_file_needs_neither_aiohttp_nor_redis(module: str) -> None:
    assert without(module, "import kmproxy.outbox").returncode == 0


def test_without_its_extra_redis_is_refused_and_the_extra_named() -> None:
    tried = without("redis", "import kmproxy.outbox as o; o.open_outbox('redis://localhost')")
    assert 'OutboxError: outbox in Redis: run pip install "kmproxy[redis]"' in tried.stderr


def test_redis_needs_no_aiohttp() -> None:
    assert without("aiohttp", "import kmproxy.outbox.redis").returncode == 0


def test_an_outbox_carried_through_a_fork_says_so_instead_of_hanging(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as child:
        child.setattr("os.getpid", lambda: -1)
        with pytest.raises(OutboxError, match="before a fork"):
            outbox.put_blocking([call()])
        outbox.close()
    outbox.put_blocking([call()])
