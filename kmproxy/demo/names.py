"""The names everything in the demo agrees on."""

from __future__ import annotations

BLOG = "blog.localhost"
SHOP = "shop.localhost"
API_KEY = "demo-key"
TOKEN = "demo"  # noqa: S105 - nothing secret: the vendor is a stand-in
MIXPANEL_COOKIE = f"mp_{TOKEN}_mixpanel"

VENDORS = {"kissmetrics": "KISSmetrics", "mixpanel": "Mixpanel"}
"""A provider's name, and how it writes itself."""

ADA = "ada@example.com"
"""Whom the shop's letter is addressed to."""
