"""What a request's headers tell of the click behind it."""

from __future__ import annotations

import pytest

from kmproxy.identity.navigation import evidence, is_navigation, is_prefetch
from kmproxy.identity.visitor import Evidence
from kmproxy.messages import Headers

HTML = (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
ANYTHING = (b"Accept", b"*/*")


@pytest.mark.parametrize(
    ("method", "headers", "navigation"),
    [
        ("GET", ((b"Sec-Fetch-Dest", b"document"),), True),
        ("HEAD", ((b"Sec-Fetch-Dest", b"document"),), True),
        ("POST", ((b"Sec-Fetch-Dest", b"document"), HTML), False),
        ("PUT", (HTML,), False),
        ("OPTIONS", (HTML,), False),
        ("get", (HTML,), False),
        *[
            ("GET", ((b"Sec-Fetch-Dest", dest), HTML), False)
            for dest in (
                *(b"iframe", b"frame", b"embed", b"object", b"empty", b"image", b"script", b"style"),
                *(b"font", b"audio", b"video", b"track", b"manifest", b"worker", b"serviceworker", b"report"),
            )
        ],
        # Browsers without Fetch Metadata, and pages without TLS.
        ("GET", (HTML,), True),
        ("HEAD", (HTML,), True),
        ("GET", ((b"Accept", b"TEXT/HTML"),), True),
        ("GET", (ANYTHING,), False),
        ("GET", (), False),
        ("GET", ((b"Accept", b"image/webp,*/*"),), False),
        ("GET", (ANYTHING, (b"User-Agent", b"Mozilla/5.0 (compatible; bingbot/2.0)")), True),
        ("GET", ((b"User-Agent", b"Twitterbot/1.0"),), True),
        ("GET", (ANYTHING, (b"User-Agent", b"curl/8.5.0")), False),
        ("GET", (ANYTHING, (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64)")), False),
        ("GET", (HTML, (b"X-Requested-With", b"XMLHttpRequest")), False),
        ("GET", (HTML, (b"X-Requested-With", b"com.facebook.katana")), True),
    ],
)
def test_only_a_page_of_its_own_is_a_navigation(method: str, headers: Headers, navigation: bool) -> None:
    assert is_navigation(method, headers) is navigation


@pytest.mark.parametrize(
    ("headers", "ahead"),
    [
        (((b"Sec-Purpose", b"prefetch"),), True),
        (((b"Sec-Purpose", b"prefetch;prerender"),), True),
        (((b"Sec-Purpose", b"prefetch;anonymous-client-ip"),), True),
        (((b"Purpose", b"prefetch"),), True),
        (((b"Purpose", b"Prefetch"),), True),
        (((b"X-Purpose", b"preview"),), True),
        (((b"X-Moz", b"prefetch"),), True),
        (((b"Purpose", b"buy"),), False),
        ((), False),
    ],
)
def test_a_page_fetched_ahead_is_no_click(headers: Headers, ahead: bool) -> None:
    assert is_prefetch(headers) is ahead


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (((b"Referer", b"https://www.blog.example/post?x=1"),), Evidence.YES),
        (((b"Referer", b"https://www.blog.example/"), (b"Sec-Fetch-Site", b"cross-site")), Evidence.YES),
        (((b"Referer", b"http://WWW.Blog.Example:8080"),), Evidence.YES),
        (((b"Referer", b"https://shop.acme.example/"),), Evidence.NO),
        (((b"Referer", b"https://evil.example/"),), Evidence.NO),
        (((b"Referer", b"https://evil.example/www.blog.example"),), Evidence.NO),
        (((b"Referer", b"https://www.blog.example@evil.example/"),), Evidence.NO),
        (((b"Referer", b"https://www.blog.example.evil.example/"),), Evidence.NO),
        (((b"Referer", b"android-app://com.google.android.gm/"),), Evidence.NO),
        (((b"Referer", b"www.blog.example"),), Evidence.NO),
        (((b"Referer", b"about:blank"),), Evidence.NO),
        (((b"Referer", b"http://[broken"),), Evidence.NO),
        (((b"Referer", b"\xff\xfe"),), Evidence.NO),
        (((b"Sec-Fetch-Site", b"none"),), Evidence.NO),
        (((b"Sec-Fetch-Site", b"cross-site"),), Evidence.DOUBT),
        (((b"Sec-Fetch-Site", b"same-site"),), Evidence.DOUBT),
        (((b"Sec-Fetch-Site", b"same-origin"),), Evidence.DOUBT),
        (((b"Referer", b""), (b"Sec-Fetch-Site", b"cross-site")), Evidence.DOUBT),
        (((b"Referer", b""), (b"Sec-Fetch-Site", b"none")), Evidence.NO),
        ((), Evidence.DOUBT),
    ],
)
def test_a_referer_of_another_domain_is_the_only_evidence(headers: Headers, expected: Evidence) -> None:
    assert evidence(headers, lambda host: host == "www.blog.example") is expected
