"""The panel "who does this site think you are?", from what the site itself is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from urllib.parse import unquote

from kmproxy.demo.names import MIXPANEL_COOKIE

_CELLS = range(5)
_HINTS = {
    "nobody": "No ID came with this page: crawlers and visitors who decline get it plain.",
    "anonymous": "The other domain has cookies of its own. Follow a link there: picture and IDs stay.",
    "named": "This domain knows you by name now. Follow a link to the other one: it will, too.",
}


@dataclass(frozen=True, slots=True)
class Who:
    """A visitor, as one domain's own cookies have it; ``""`` for what they don't."""

    anonymous: str = ""
    named: str = ""
    mixpanel: str = ""

    @property
    def kissmetrics(self) -> str:
        """What ``KM.i()`` would return."""
        return self.named or self.anonymous

    @property
    def kind(self) -> str:
        """``nobody``, ``anonymous`` or ``named``."""
        return "named" if self.named else "anonymous" if self.anonymous else "nobody"


def who(headers: Mapping[str, str]) -> Who:
    """The visitor by the Cookie header; on a first visit, by the header that kmproxy adds."""
    jar = _jar(headers.get("Cookie", ""))
    named, anonymous = jar.get("km_ni", ""), jar.get("km_ai", "")
    if not named and not anonymous:
        anonymous = headers.get("X-KM-Anonymous-ID", "")
    return Who(anonymous, named, _distinct_id(jar.get(MIXPANEL_COOKIE, "")))


def panel_values(visitor: Who) -> dict[str, str]:
    """What ``panel.html`` is filled with, as HTML."""
    nobody = visitor.kind == "nobody"
    return {
        "face": "" if nobody else _face(visitor.anonymous or visitor.named),
        "kind": "" if nobody else visitor.kind,
        "before": _before(visitor),
        "kissmetrics": escape(visitor.kissmetrics) or "nobody",
        "mixpanel": escape(visitor.mixpanel)
        or ("nobody" if nobody else "set with this page: reload to see it"),
        "hint": _HINTS[visitor.kind],
    }


def _before(visitor: Who) -> str:
    """The anonymous ID of a visitor who has a name by now."""
    shown = visitor.named and visitor.anonymous not in ("", visitor.named)
    return f'<dd class="before">before: {escape(visitor.anonymous)}</dd>' if shown else ""


def _jar(header: str) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    return {name: unquote(value) for name, _, value in pairs}


def _distinct_id(stored: str) -> str:
    try:
        return str(json.loads(stored)["distinct_id"])
    except (ValueError, KeyError, TypeError):
        return ""


def _face(identity: str) -> str:
    """A picture that is the same wherever the ID is: a mirrored pattern, in a colour of its own."""
    digest = sha256(identity.encode()).digest()
    hue = digest[0] * 360 // 256
    cells = "".join(
        f'<rect x="{x}" y="{y}" width="1.02" height="1.02"/>'
        for x in _CELLS
        for y in _CELLS
        if digest[1 + y * 3 + min(x, 4 - x)] % 2
    )
    return (
        '<svg viewBox="-1 -1 7 7" aria-hidden="true">'
        f'<rect x="-1" y="-1" width="7" height="7" fill="hsl({hue} 60% 92%)"/>'
        f'<g fill="hsl({hue} 52% 45%)">{cells}</g></svg>'
    )
