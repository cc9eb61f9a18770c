"""The script in Redis, and the one thread that runs it: whatever has gathered goes in one pipeline.

Redis, too, syncs its log once for what one pipeline brought.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from kmproxy.errors import OutboxError
from kmproxy.outbox.batches import Batches, Job

Argument = bytes | str | float

_PREFIX = "{kmproxy}:outbox"
_SOURCE = files("kmproxy.outbox").joinpath("redis.lua").read_bytes()
_SHA = hashlib.sha1(_SOURCE, usedforsecurity=False).hexdigest()

_Job = Job[tuple[Argument, ...]]

_log = logging.getLogger(__name__)


class RedisScript:
    """Runs ``redis.lua``; the commands are described there."""

    def __init__(self, url: str, timeout: float) -> None:
        """``timeout``: seconds for each word from Redis. Raises ``OutboxError`` as ``RedisOutbox`` does."""
        try:
            self.name = f"outbox {_without_password(url)}"
            self._client = _client(url, timeout)
        except ValueError:  # its text may quote the password
            raise OutboxError("outbox url: expected redis://host:6379/0") from None
        self._greet()
        self._batches = Batches(self._do, self._client.close)

    def submit(self, command: str, *arguments: Argument) -> Future[Any]:
        """The future has the script's answer; fails with ``OutboxError``."""
        return self._batches.submit((command, *map(_encoded, arguments)))

    def close(self) -> None:
        """Run what was submitted, then close the connection."""
        self._batches.close()

    def _greet(self) -> None:
        try:
            for warning in _warnings(self._client.info()):
                _log.warning("%s: %s", self.name, warning)
        except (AuthenticationError, ResponseError) as error:
            raise OutboxError(f"{self.name}: {error}") from error
        except RedisError as error:
            _log.warning("%s: %s", self.name, error)

    def _do(self, jobs: Sequence[_Job]) -> None:
        try:
            answers = self._answers(jobs)
        except Exception as error:  # whatever it is, a caller waits for the word
            answers = [error] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, Exception):
                job.refuse(self.name, answer)
            else:
                job.future.set_result(answer)

    def _answers(self, jobs: Sequence[_Job]) -> list[Any]:
        answers = self._ask(jobs)
        missing = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:  # a Redis just started; none of these was run
            self._client.script_load(_SOURCE)
            for at, answer in zip(missing, self._ask([jobs[at] for at in missing]), strict=True):
                answers[at] = answer
        return answers

    def _ask(self, jobs: Sequence[_Job]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for job in jobs:
                pipeline.evalsha(_SHA, 1, _PREFIX, *job.work)
            return list(pipeline.execute(raise_on_error=False))


def _client(url: str, timeout: float) -> redis.Redis:
    # No retries: what was sent may have been done, and must not be done twice. RESP2: with its
    # successor the library does not look whether an idle connection was closed before it uses it.
    return redis.Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
    )


def _encoded(argument: Argument) -> Argument:
    """What can't be encoded fails here harmlessly, not in a pipeline together with others."""
    return argument.encode("utf-8", "replace") if isinstance(argument, str) else argument


def _warnings(info: dict[str, Any]) -> list[str]:
    """What is set so that calls may get lost; a hosted Redis may not tell."""
    warnings = []
    if info.get("aof_enabled") == 0:
        warnings.append("a restart loses calls; set appendonly yes in redis.conf")
    if info.get("maxmemory") and str(info.get("maxmemory_policy")).startswith("allkeys"):
        warnings.append("short of memory, it drops calls; set maxmemory-policy noeviction in redis.conf")
    return warnings


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
