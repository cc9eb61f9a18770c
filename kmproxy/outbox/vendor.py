"""Tracking calls over HTTP, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import aiohttp
from yarl import URL

from kmproxy.outbox.together import as_one, judge_each
from kmproxy.outbox.verdict import Verdict, seconds_to_wait
from kmproxy.tracking import TrackingCall
from kmproxy.version import __version__

_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
"""Seconds; half of a claim's lease, so that a slow answer is not sent again meanwhile."""

_MOST_BODY = 1024 * 1024
"""Bytes of an answer that are read; one that names 2000 events it refused takes half of that."""


def new_session(timeout: aiohttp.ClientTimeout = _TIMEOUT) -> aiohttp.ClientSession:
    """No cookies and no environment: calls carry what they were made with and nothing else."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"kmproxy/{__version__}"},
        timeout=timeout,
        trust_env=False,
        raise_for_status=False,
    )


async def send(session: aiohttp.ClientSession, calls: Sequence[TrackingCall]) -> list[Verdict]:
    """Send ``calls``, which go together, once; the verdict on each.

    Whatever goes wrong on the way is a reason to try again, never an exception.
    """
    try:
        call = as_one(calls)
        url = URL(call.url, encoded=True)  # as built: yarl would normalise the encoding
        async with session.request(
            call.method, url, headers=call.headers, data=call.body or None, allow_redirects=False
        ) as response:
            wait = seconds_to_wait(response.headers.get("Retry-After"), time.time())
            return judge_each(calls, response.status, await _body(response), wait)
    except Exception as error:  # the name only: an exception's text may quote the URL
        return [Verdict("retry", type(error).__name__)] * len(calls)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= _MOST_BODY:
            break
    return body[:_MOST_BODY]
