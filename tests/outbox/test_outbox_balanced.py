"""Two proxies on one Redis behind nginx, which sends each request to the other one; one is killed.

Half the time it takes is the lease of what that one had claimed.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from pathlib import Path

from outbox_chaos import Chaos, Node, Visitors, out_of_order
from outbox_kit import eventually
from outbox_redis import RedisServer
from outbox_vendor import Vendor
from served_nginx import running

pytest_plugins = ("outbox_fixtures",)

PERSONS, VISITS = 9, 5
"""Odd: in step with each other, each person would always come to the same node."""

# Not tried anew by nginx: of a try that was not answered nobody knows whether it was recorded.
_HTTP = """
upstream nodes {{ {nodes} }}
log_format node "$arg_kmi $upstream_addr $status";
"""
_SERVER = """
location / {{ proxy_pass http://nodes; proxy_set_header Host $host; proxy_next_upstream off; }}
access_log {folder}/nodes.log node;
"""


async def test_whoever_comes_by_two_nodes_is_told_of_in_order_and_whole_when_one_is_killed(
    tmp_path: Path, redis_server: RedisServer, vendor: Vendor
) -> None:
    vendor.usual = chaos = Chaos(20)
    nodes = [Node(tmp_path, name, redis_server.url, vendor.base) for name in ("one", "two")]
    servers = " ".join(f"server {node.url.removeprefix('http://')} max_fails=0;" for node in nodes)
    with running(tmp_path, _SERVER.format(folder=tmp_path), _HTTP.format(nodes=servers)) as front:
        visitors = Visitors([front], PERSONS, VISITS, random.Random(20))
        for node in nodes:
            await node.start()
        try:
            arriving = asyncio.create_task(visitors.arrive())
            await visitors.have_come(PERSONS * VISITS * 2 // 3)
            await nodes[0].kill()
            await arriving
            expected = {call for arrival in visitors.accepted for call in arrival.calls}
            await eventually(lambda: expected <= chaos.took.keys(), 30)
        finally:
            for node in nodes:
                await node.kill()
    assert len(visitors.accepted) == PERSONS * VISITS
    assert not out_of_order(chaos.took, expected)
    assert {len(keys) for keys in chaos.took.values()} == {1}, "a duplicate has another key"
    assert max(map(len, _answered(tmp_path / "nodes.log").values())) == 2, "nobody came by both nodes"


def _answered(log: Path) -> dict[str, set[str]]:
    """By which nodes each person's arrivals were answered."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in log.read_text().splitlines():
        person, node, status = line.split()
        if status == "302":
            found[person].add(node)
    return found
