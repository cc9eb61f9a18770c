"""The upstreams of a domain: taken in turn, the next one tried where one can't be reached."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable
from urllib.parse import urlsplit

from kmproxy.messages import Headers
from kmproxy.site import Domain
from kmproxy.upstream import ConnectFailed, ConnectTimeout, Exchange, Pool, Timeouts


class Upstreams:
    """A pool per upstream address, shared by the domains that name it."""

    def __init__(self, domains: Iterable[Domain], timeouts: Timeouts) -> None:
        self._pools: dict[str, Pool] = {}
        self._turns: dict[Domain, tuple[tuple[Pool, ...], itertools.count[int]]] = {}
        for domain in domains:
            pools = tuple(self._pool(url, timeouts) for url in domain.upstreams)
            self._turns[domain] = (pools, itertools.count())

    def _pool(self, url: str, timeouts: Timeouts) -> Pool:
        if url not in self._pools:
            address = urlsplit(url)
            self._pools[url] = Pool(address.hostname or "", address.port or 80, timeouts=timeouts)
        return self._pools[url]

    async def exchange(
        self,
        domain: Domain,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | None,
    ) -> Exchange:
        """Send a request to one of ``domain``'s upstreams. Raises UpstreamError, ValueError as ``Pool``.

        One that can't be reached has seen nothing of the request, so that any may be sent to the next.
        """
        pools, turn = self._turns[domain]
        start = next(turn)
        for offset in range(len(pools)):
            pool = pools[(start + offset) % len(pools)]
            try:
                return await pool.exchange(method, target, headers, body)
            except (ConnectFailed, ConnectTimeout):
                if offset == len(pools) - 1:
                    raise
        raise ConnectFailed("the domain has no upstream")

    def close(self) -> None:
        """Let go of all connections that rest, and of the others when they come to rest."""
        for pool in self._pools.values():
            pool.close()
