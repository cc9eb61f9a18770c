"""Who a browser says it is on a domain: the vendors' cookies, read as the browser sends them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from playwright.sync_api import BrowserContext

from browser.vendors import TOKEN

MIXPANEL = f"mp_{TOKEN}_mixpanel"


@dataclass(frozen=True, slots=True)
class Identity:
    """The cookies of one domain; ``None`` for one that is not there."""

    km_ai: str | None
    km_ni: str | None
    distinct_id: str | None
    device: str | None
    user: str | None


def identity(context: BrowserContext, url: str) -> Identity:
    """Who ``context`` is at ``url``. No cookie may be there twice."""
    cookies = context.cookies(url)
    jar = {cookie["name"]: unquote(cookie["value"]) for cookie in cookies}
    assert len(jar) == len(cookies), "a cookie stands in two scopes"
    stored: dict[str, Any] = json.loads(jar.get(MIXPANEL, "{}"))
    return Identity(
        jar.get("km_ai"),
        jar.get("km_ni"),
        stored.get("distinct_id"),
        stored.get("$device_id"),
        stored.get("$user_id"),
    )
