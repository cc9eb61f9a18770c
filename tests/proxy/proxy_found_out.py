"""Who is found out on the way: by the app's word, by an arriving link, by a device's cookie."""

from __future__ import annotations

from wire import BROWSER, Proxy

LOGIN = b"X-KM-Identify: eve@acme.example\r\n"
"""What the app says."""

PATHS = ["/login?user=[redacted]", "/?kmi=[redacted]&kme=[redacted]&q=[redacted]", "/d/[redacted]"]
"""What may be told of it."""


async def come(p: Proxy) -> None:
    """Each of them asks; the app says ``LOGIN`` to all."""
    await p.get("a.example", "/login?user=eve@acme.example", BROWSER)
    arrived = await p.get("a.example", "/?kmi=bob%40acme.example&kme=Bought&q=bob@acme.example", BROWSER)
    assert arrived.startswith(b"HTTP/1.1 302")
    cookie = b'Cookie: mp_t_mixpanel={"distinct_id":"$device:1234-abcd","$device_id":"1234-abcd"}\r\n'
    await p.get("a.example", "/d/1234-abcd", cookie + BROWSER)
