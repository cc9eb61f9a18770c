"""The upstreams of all domains: one is picked for each request, the next one where that can do no harm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable

from kmproxy.messages import Headers
from kmproxy.observer import Observer
from kmproxy.proxy.balance import Balancer, Upstream
from kmproxy.site import Domain
from kmproxy.upstream import (
    Address,
    ConnectFailed,
    ConnectTimeout,
    Exchange,
    Health,
    Pool,
    Probe,
    Timeouts,
    Unanswered,
    Unavailable,
    UpstreamError,
)

_log = logging.getLogger(__name__)

_Key = tuple[str, ...]
"""What makes two addresses one: URL, CA file, server name."""


class Upstreams:
    """A pool per address, shared by the domains that name it; a health check per domain and upstream.

    Made within the loop it works on. To replace it, let new requests go to another one and ``close`` it:
    requests under way end as they would have. Raises OSError for a CA file that can't be used.
    """

    def __init__(self, domains: Iterable[Domain], timeouts: Timeouts, observer: Observer) -> None:
        self._timeouts = timeouts
        self._observer = observer
        self._clock = asyncio.get_running_loop().time
        self._shared: dict[_Key, tuple[Pool, Health]] = {}
        self._probes: list[Probe] = []
        self._balancers = {domain: self._balancer(domain) for domain in domains}
        for domain in self._balancers:
            self._tell_of(domain)

    def _balancer(self, domain: Domain) -> Balancer:
        upstreams = [self._upstream(domain, index, url) for index, url in enumerate(domain.upstreams)]
        return Balancer(upstreams, self._clock, fewest=domain.balance == "least_connections")

    def _upstream(self, domain: Domain, index: int, url: str) -> Upstream:
        tls = domain.upstream_tls
        key = (url, tls.ca, tls.server_name)
        address = Address.of(*key)
        if key not in self._shared:
            self._shared[key] = Pool(address, timeouts=self._timeouts), Health()
        return Upstream(index, *self._shared[key], self._probe(domain, index, address))

    def _probe(self, domain: Domain, index: int, address: Address) -> Probe | None:
        check = domain.health_check
        if check is None:
            return None
        host = domain.host.removeprefix("*.")
        probe = Probe(address, host, check.path, check.interval, self._on_change(domain, index))
        self._probes.append(probe)
        return probe

    def _on_change(self, domain: Domain, index: int) -> Callable[[], None]:
        def tell() -> None:
            passes = self._balancers[domain].upstreams[index].passes
            verdict = "passes" if passes else "fails"
            _log.warning("upstream %d of %s %s its health check", index, domain.host, verdict)
            self._tell_of(domain)

        return tell

    async def exchange(
        self,
        domain: Domain,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | None,
    ) -> Exchange:
        """Send a request to one of ``domain``'s upstreams. Raises UpstreamError, ValueError as ``Pool``.

        One that can't be reached has seen nothing of the request, so any may be sent to the next. One that
        ended the connection unanswered may have died of it: a safe request is sent to one more, no further.
        """
        balancer = self._balancers[domain]
        upstream = balancer.pick()
        if upstream is None:
            raise self._unavailable(domain, balancer)
        tried: list[Upstream] = []
        unanswered = 0
        while True:
            try:
                exchange = await upstream.pool.exchange(method, target, headers, body)
            except UpstreamError as error:
                self._failed(domain, upstream, error)
                tried.append(upstream)
                unanswered += isinstance(error, Unanswered)
                following = balancer.pick(tried) if _is_unread(error) and unanswered < 2 else None
                if following is None:
                    raise
                upstream = following
            else:
                self._answered(domain, upstream)
                exchange.upstream = upstream.index
                return exchange

    def _answered(self, domain: Domain, upstream: Upstream) -> None:
        if upstream.health.answered():
            _log.warning("upstream %d of %s answers again", upstream.index, domain.host)
            self._tell_of_sharers(upstream.pool)

    def _failed(self, domain: Domain, upstream: Upstream, error: UpstreamError) -> None:
        kind = type(error).__name__
        self._observer.upstream_failed(domain, upstream.index, kind)
        if upstream.health.failed(self._clock()):
            _log.warning("upstream %d of %s is put aside: %s", upstream.index, domain.host, kind)
            self._tell_of_sharers(upstream.pool)

    def _unavailable(self, domain: Domain, balancer: Balancer) -> Unavailable:
        waits = [upstream.probe.interval for upstream in balancer.upstreams if upstream.probe]
        return Unavailable(f"all upstreams of {domain.host} fail their health check", min(waits))

    def _tell_of_sharers(self, pool: Pool) -> None:
        for domain, balancer in self._balancers.items():
            if any(upstream.pool is pool for upstream in balancer.upstreams):
                self._tell_of(domain)

    def _tell_of(self, domain: Domain) -> None:
        for upstream in self._balancers[domain].upstreams:
            self._observer.upstream_health(domain, upstream.index, upstream.is_healthy)

    def close(self) -> None:
        """Let go of all connections that rest, and of the others when they come to rest; end the checks."""
        for probe in self._probes:
            probe.close()
        for pool, _ in self._shared.values():
            pool.close()


def _is_unread(error: UpstreamError) -> bool:
    """Whether another upstream may be sent the same request."""
    return isinstance(error, ConnectFailed | ConnectTimeout | Unanswered)
