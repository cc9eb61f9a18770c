"""What a reload has replaced, and the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wire import config, site

from kmproxy.config import Config
from kmproxy.serving import garbage, serve, worker


class Sites:
    """Refers to itself, as the real ones do: only the collector finds it."""

    def __init__(self) -> None:
        self.itself = self


class Reloading:
    """A server that replaces its sites."""

    def __init__(self) -> None:
        self._sites = Sites()
        self.replaced = weakref.ref(self._sites)

    async def reload(self, config: Config) -> None:
        self._sites = Sites()


@pytest.fixture(autouse=True)
def _idle_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage, "_SOON", 0.0)
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("process", ["alone", "worker"])
async def test_what_a_reload_has_replaced_is_let_go(process: str, tmp_path: Path) -> None:
    settings = config(tmp_path, site(("a.example", "http://127.0.0.1:9")))
    server: Any = Reloading()
    if process == "alone":
        file = tmp_path / "kmproxy.toml"
        file.write_text(
            '[[site]]\nname = "a"\nkissmetrics = { api_key = "k" }\ndomain = [{ host = "a.example" }]\n'
        )
        await serve._reload(server, settings, file, lambda line: None)
    else:
        assert await worker._reload(server, settings.model_dump(mode="json")) == ""
    await asyncio.sleep(0.05)
    assert server.replaced() is None


def test_what_a_start_has_made_is_looked_at_no_more() -> None:
    before = gc.get_threshold()
    try:
        garbage.settle()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
