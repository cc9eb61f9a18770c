"""The upstreams of all domains: one is picked for each request, the next one where that can do no harm."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from functools import cache, partial

from kmproxy.messages import Headers
from kmproxy.observer import Observer
from kmproxy.proxy.balance import Balancer, Upstream
from kmproxy.site import Domain
from kmproxy.upstream import (
    Address,
    ConnectFailed,
    ConnectTimeout,
    Exchange,
    Interim,
    Overloaded,
    Pool,
    Probe,
    Timeouts,
    Unanswered,
    Unavailable,
    UpstreamError,
    client_context,
)

_log = logging.getLogger(__name__)

_Context = Callable[[str], ssl.SSLContext]
"""What verifies by a CA file, read once for all who name it."""


class Upstreams:
    """Connections of each domain to each of its upstreams: none waits for what another domain does.

    Made within the loop it works on. To replace it, let new requests go to another one and ``close`` it:
    requests under way end as they would have. Raises OSError for a CA file that can't be used.
    """

    def __init__(self, domains: Iterable[Domain], timeouts: Timeouts, observer: Observer) -> None:
        self._timeouts = timeouts
        self._observer = observer
        self._clock = asyncio.get_running_loop().time
        self._closed = False
        context = cache(client_context)
        self._balancers = {domain: self._balancer(domain, context) for domain in domains}
        for domain, balancer in self._balancers.items():
            for upstream in balancer.upstreams:
                self._watch(domain, upstream)

    @property
    def domains(self) -> Iterable[Domain]:
        """Those that have upstreams."""
        return self._balancers

    def _balancer(self, domain: Domain, context: _Context) -> Balancer:
        upstreams = [
            Upstream(index, self._pool(domain, url, context)) for index, url in enumerate(domain.upstreams)
        ]
        return Balancer(upstreams, self._clock, fewest=domain.balance == "least_connections")

    def _pool(self, domain: Domain, url: str, context: _Context) -> Pool:
        tls = domain.upstream_tls
        address = Address.of(url, tls.ca, tls.server_name, context)
        return Pool(address, timeouts=self._timeouts, max_connections=domain.max_connections)

    def renew(self) -> None:
        """Read the CA files again: connections over TLS are made anew, and all else stays as it is.

        Raises OSError, and has then changed nothing.
        """
        context = cache(client_context)
        renewed = [
            (upstream, self._pool(domain, domain.upstreams[upstream.index], context))
            for domain, balancer in self._balancers.items()
            for upstream in balancer.upstreams
            if upstream.pool.address.tls
        ]
        for upstream, pool in renewed:
            upstream.move_to(pool)

    def _watch(self, domain: Domain, upstream: Upstream) -> None:
        self._tell(domain, upstream)
        if check := domain.health_check:
            tell = partial(self._tell_of_check, domain, upstream)
            address = upstream.pool.address
            upstream.probe = Probe(address, domain.checked_as, check.path, check.interval, tell)

    async def exchange(
        self,
        domain: Domain,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | None,
        *,
        upgrade: bytes = b"",
        interim: Interim | None = None,
    ) -> Exchange:
        """Send a request to one of ``domain``'s upstreams. As ``Pool.exchange``, but raises Unavailable, too.

        One that can't be reached has seen nothing of the request, so any may be sent to the next. One that
        ended the connection unanswered may have died of it: a safe request is sent to one more, no further.
        """
        balancer = self._balancers[domain]
        upstream = balancer.pick()
        if upstream is None:
            raise _unavailable(domain)
        tried: list[Upstream] = []
        unanswered = 0
        while True:
            try:
                exchange = await upstream.pool.exchange(
                    method, target, headers, body, upgrade=upgrade, interim=interim
                )
            except UpstreamError as error:
                self._failed(domain, upstream, error)
                tried.append(upstream)
                unanswered += isinstance(error, Unanswered)
                following = balancer.pick(tried) if _is_unread(error) and unanswered < 2 else None
                if following is None:
                    raise
                upstream = following
            else:
                if upstream.health.answered():
                    self._is_back(domain, upstream)
                exchange.upstream = upstream.index
                return exchange

    def _is_back(self, domain: Domain, upstream: Upstream) -> None:
        _log.warning("upstream %d of %s answers again", upstream.index, domain.host)
        self._tell(domain, upstream)

    def _failed(self, domain: Domain, upstream: Upstream, error: UpstreamError) -> None:
        kind = type(error).__name__
        self._observer.upstream_failed(domain, upstream.index, kind)
        if not isinstance(error, Overloaded) and upstream.health.failed(self._clock()):
            _log.warning("upstream %d of %s is put aside: %s", upstream.index, domain.host, kind)
            self._tell(domain, upstream)

    def _tell_of_check(self, domain: Domain, upstream: Upstream) -> None:
        verdict = "passes" if upstream.passes else "fails"
        _log.warning("upstream %d of %s %s its health check", upstream.index, domain.host, verdict)
        self._tell(domain, upstream)

    def _tell(self, domain: Domain, upstream: Upstream) -> None:
        # What replaced us knows better by now.
        if not self._closed:
            self._observer.upstream_health(domain, upstream.index, upstream.is_healthy)

    def close(self) -> None:
        """Let go of all connections that rest, and of the others when they come to rest; end the checks."""
        self._closed = True
        for balancer in self._balancers.values():
            for upstream in balancer.upstreams:
                upstream.close()


def _unavailable(domain: Domain) -> Unavailable:
    retry_after = domain.health_check.interval if domain.health_check else 0
    return Unavailable("all upstreams fail their health check", retry_after)


def _is_unread(error: UpstreamError) -> bool:
    """Whether another upstream may be sent the same request."""
    return isinstance(error, ConnectFailed | ConnectTimeout | Unanswered)
