"""A worker's place: a process is kept there, whatever becomes of the ones before it."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from contextlib import suppress
from typing import Any

from kmproxy.config import Config
from kmproxy.serving.control import Control, Start

_log = logging.getLogger(__name__)

_PAUSE = 1.0
"""Seconds before a worker is replaced that did not live as long."""

_PATIENCE = 10.0
"""Seconds that a worker has to put a configuration in force."""


_QUIET = 5.0
"""Seconds without a sign of life, of which there are five a second, after which a worker does not answer."""

_MISSED = 6
"""Times in a row that it may be as long; then it is killed. Not one long time: after a pause of the whole
machine it would be over before anything is heard."""


class Place:
    """One place among the workers, and the process that has it now."""

    def __init__(self, start: Start, lock: int) -> None:
        """Each process inherits ``lock``."""
        self._start = start
        self._lock = lock
        self._process: asyncio.subprocess.Process | None = None
        self._control: Control | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._reloaded = asyncio.Event()
        self._refusal = ""
        self._missed = 0
        self._stopping = False
        self.is_up = False

    async def start(self) -> bool:
        """Have a process there, and another one whenever it ends; whether the first came up."""
        if not await self._spawn():
            await self._gone()
            return False
        self._keeping = asyncio.create_task(self._keep())
        return True

    async def _spawn(self) -> bool:
        """A new process; whether it came up."""
        start, message = self._start, self._start.message()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await self._execute(theirs.fileno())
        self._control = await Control.on(ours)
        self._control.send("start", **message)
        self.is_up = (await self._control.receive())["what"] == "ready"
        if self._start is not start:
            self._send_config()
        else:
            self._reloaded.set()
        if self._stopping:
            self._control.send("hurry")
        return self.is_up

    async def _execute(self, number: int) -> asyncio.subprocess.Process:
        numbers = [one.fileno() for listening in self._start.listening for one in listening.sockets]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "kmproxy.serving.worker", str(number)),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(number, self._lock, *numbers),
        )

    async def _keep(self) -> None:
        """Replace the process when it ends, for as long as there is no word to stop."""
        while True:
            began = asyncio.get_running_loop().time()
            await self._listen_to()
            status = await self._gone()
            if self._stopping:
                return
            _log.error("worker %d ended with status %d and is replaced", self._start.place, status)
            if asyncio.get_running_loop().time() - began < _PAUSE:
                await asyncio.sleep(_PAUSE)
            await self._respawn()

    async def _respawn(self) -> None:
        try:
            if not self._stopping:  # the sockets may be closed by now
                await self._spawn()
        except OSError as error:
            _log.error("worker %d can't be replaced now: %s", self._start.place, error.strerror)

    async def _listen_to(self) -> None:
        """Hear the process out."""
        self._missed = 0
        while (message := await self._hear())["what"]:
            if message["what"] == "reloaded":
                self._refusal = message["why"]
                self._reloaded.set()
        self.is_up = False
        self._reloaded.set()

    async def _hear(self) -> dict[str, Any]:
        """The next message; a process that has none for too long is killed."""
        assert self._control is not None  # noqa: S101 - _spawn has set it
        assert self._process is not None  # noqa: S101
        while self._missed < _MISSED:
            with suppress(TimeoutError):
                async with asyncio.timeout(_QUIET):
                    message = await self._control.receive()
                self._missed = 0
                return message
            self._missed += 1
        _log.error("worker %d does not answer and is killed", self._start.place)
        self._process.kill()
        return {"what": ""}

    async def _gone(self) -> int:
        assert self._control is not None  # noqa: S101 - _spawn has set it
        assert self._process is not None  # noqa: S101
        self._control.close()
        return await self._process.wait()

    @property
    def answers(self) -> bool:
        """Whether there is a process that gives signs of life."""
        return self.is_up and not self._missed

    async def reload(self, config: Config) -> str:
        """Have this and every later process answer by ``config``; returns when it does, or why it can't.

        One that is coming up is told when it is.
        """
        self._start = self._start._replace(config=config)
        self._refusal = ""
        self._reloaded.clear()
        if self.is_up:
            self._send_config()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._reloaded.wait()
        except TimeoutError:
            _log.error("worker %d does not answer", self._start.place)
        return self._refusal

    def _send_config(self) -> None:
        assert self._control is not None  # noqa: S101 - _spawn has set it
        self._control.send("reload", config=self._start.config.model_dump(mode="json"))

    def stop(self, how: str) -> None:
        """``"stop"`` lets what is in flight end, ``"hurry"`` does not."""
        self._stopping = True
        self.is_up = False
        if self._control:
            self._control.send(how)

    async def ended(self, within: float) -> None:
        """Wait until the process is gone, and kill it when it takes longer."""
        if self._keeping is None:
            return
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._keeping)
        except TimeoutError:
            if self._process and self._process.returncode is None:
                self._process.kill()
            await self._keeping
