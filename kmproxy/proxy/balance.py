"""Which upstream of a domain is asked next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from kmproxy.upstream import Health, Pool, Probe


class Upstream:
    """One of a domain's upstreams: its place in the configuration, its connections, and how it is."""

    __slots__ = ("health", "index", "pool", "probe")

    def __init__(self, index: int, pool: Pool) -> None:
        self.index = index
        self.pool = pool
        self.health = Health()
        self.probe: Probe | None = None

    @property
    def passes(self) -> bool:
        """Whether it passes its health check, if it has one."""
        return self.probe is None or self.probe.passes

    @property
    def is_healthy(self) -> bool:
        """Whether it is asked as any other is."""
        return self.passes and not self.health.is_aside

    @property
    def may_take_more(self) -> bool:
        """Whether it passes, and a request would not have to wait."""
        return not self.pool.is_full and self.passes

    def move_to(self, pool: Pool) -> None:
        """Send requests through ``pool`` from now on; those under way end as they would have."""
        self.pool.close()
        self.pool = pool
        if self.probe:
            self.probe.move_to(pool.address)

    def close(self) -> None:
        """Keep no connection, and ask after its health no more."""
        self.pool.close()
        if self.probe:
            self.probe.close()


class Balancer:
    """Picks from a domain's upstreams: each in its turn, or the one with the fewest requests under way.

    One that fails its health check is never picked. One that is put aside is picked only where there is no
    better one: that it is down is a guess, and a site all of whose upstreams stumbled for a moment must not
    be told down by us. One that is full is the last choice among the well.
    """

    def __init__(
        self, upstreams: Sequence[Upstream], clock: Callable[[], float], *, fewest: bool = False
    ) -> None:
        self.upstreams = tuple(upstreams)
        self._orders = [self.upstreams[i:] + self.upstreams[:i] for i in range(len(upstreams))]
        self._turn = 0
        self._clock = clock
        self._fewest = fewest

    def pick(self, tried: Collection[Upstream] = ()) -> Upstream | None:
        """The upstream to ask, of those not tried; None where none is left to ask."""
        if len(self.upstreams) == 1:
            only = self.upstreams[0]
            return only if only.passes and only not in tried else None
        picked = self._best(tried)
        if picked is not None:
            # Not one further than last time: the neighbour of one that is passed over would get its share.
            self._turn = (picked.index + 1) % len(self.upstreams)
        return picked

    def _best(self, tried: Collection[Upstream]) -> Upstream | None:
        order: Sequence[Upstream] = self._orders[self._turn]
        if self._fewest:
            order = sorted(order, key=_in_use)  # It keeps the turns among equals.
        now = self._clock()
        for upstream in order:
            if upstream not in tried and upstream.may_take_more and upstream.health.admits(now):
                return upstream
        left = [upstream for upstream in order if upstream not in tried and upstream.passes]
        return min(left, key=_until, default=None)


def _in_use(upstream: Upstream) -> int:
    return upstream.pool.in_use


def _until(upstream: Upstream) -> float:
    return upstream.health.until
