"""What the tests of links share: a site of a few domains, and one way to decorate."""

from __future__ import annotations

from kmproxy.links.decorate import Skip, find_slot

PAGE = "https://www.a.example/dir/page?here=1"
P = b"kmi=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D"
DOMAINS = frozenset({"b.example", "xn--bcher-kva.example", "[2001:db8::1]", "192.0.2.7"})
NAMES = frozenset({"kmi", "km_i", "distinct_id"})


def leads(host: str) -> Skip | None:
    host = host.removesuffix(".")
    if host.endswith(".a.example"):
        return Skip.SHARED_SCOPE
    return None if host in DOMAINS else Skip.ELSEWHERE


def owns(name: str) -> bool:
    return name in NAMES


def decorate(raw: bytes, base: str = PAGE, *, in_html: bool = False, text: bytes = P) -> bytes | Skip:
    """``raw`` with ``text`` in its slot, or why there is none."""
    slot = find_slot(raw, base, leads, owns, in_html=in_html)
    if isinstance(slot, Skip):
        return slot
    return raw[: slot.offset] + slot.lead + text + raw[slot.offset :]
