"""Tracking calls over HTTP, and what came of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import aiohttp
from yarl import URL

from kmproxy.outbox.pipeline import Pipelines, origin
from kmproxy.outbox.together import as_one, judge_each
from kmproxy.outbox.verdict import Verdict, seconds_to_wait
from kmproxy.tracking import TrackingCall
from kmproxy.version import __version__

_TIMEOUT = 30.0
"""Seconds; half of a claim's lease, so that a slow answer is not sent again meanwhile."""

_MOST_BODY = 1024 * 1024
"""Bytes of an answer that are read; one that names 2000 events it refused takes half of that."""


class Vendors:
    """The way to all vendors. Make it on the event loop that uses it."""

    def __init__(self, timeout: float = _TIMEOUT) -> None:
        """``timeout``: seconds for calls that go together."""
        self._session = _session(timeout)
        self._pipelines = Pipelines(timeout)

    async def send(self, calls: Sequence[TrackingCall]) -> list[Verdict]:
        """Send ``calls``, which go together, once; the verdict on each.

        Whatever goes wrong on the way is a reason to try again, never an exception.
        """
        if calls[0].provider == "kissmetrics" and origin(calls[0]):
            return await self._pipelines.send(calls)
        try:
            return await self._send(calls)
        except Exception as error:  # the name only: an exception's text may quote the URL
            return [Verdict("retry", type(error).__name__)] * len(calls)

    async def close(self) -> None:
        await self._pipelines.close()
        await self._session.close()

    async def _send(self, calls: Sequence[TrackingCall]) -> list[Verdict]:
        call = as_one(calls)
        url = URL(call.url, encoded=True)  # as built: yarl would normalise the encoding
        with nullcontext() if call.body else _without_span():
            async with self._session.request(
                call.method, url, headers=call.headers, data=call.body or None, allow_redirects=False
            ) as response:
                wait = seconds_to_wait(response.headers.get("Retry-After"), time.time())
                return judge_each(calls, response.status, await _body(response), wait)


def _session(timeout: float) -> aiohttp.ClientSession:
    """No cookies and no environment: calls carry what they were made with and nothing else."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"kmproxy/{__version__}"},
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=10),
        trust_env=False,
        raise_for_status=False,
    )


def _without_span() -> AbstractContextManager[None]:
    """For a call whose URL tells of the visitor; without OpenTelemetry at work there is none anyway."""
    utils = sys.modules.get("opentelemetry.instrumentation.utils")
    return utils.suppress_instrumentation() if utils else nullcontext()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= _MOST_BODY:
            break
    return body[:_MOST_BODY]
