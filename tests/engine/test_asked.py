"""What is told by some fields alone is told by no other: they are all that is looked at and remembered by."""

from __future__ import annotations

from engine_kit import BROWSER, CRAWLER, HTML, counting, site
from hypothesis import given, settings
from hypothesis import strategies as st

from kmproxy import departing
from kmproxy.asked import FIELDS, asked, read
from kmproxy.config import load
from kmproxy.engine import Engine
from kmproxy.messages import Headers, Request, names
from kmproxy.site import Sites

SITES = Sites(load({"site": [site(consent={"respect": ["gpc", "dnt"]})]}))
ENGINE = Engine(SITES, lambda: 0.0, counting)

_SAID = [
    *(BROWSER, CRAWLER, (b"Cookie", b"km_ni=bob"), (b"Cookie", b"km_ni=ann; km_ignore=1"), (b"DNT", b"1")),
    *((b"Sec-GPC", b"1"), (b"Accept", b"text/html"), (b"Accept", b"*/*"), (b"Accept-Encoding", b"x, gzip")),
    *((b"Sec-Fetch-Dest", b"document"), (b"Sec-Fetch-Dest", b"iframe"), (b"Sec-Fetch-Mode", b"navigate")),
    *((b"X-Requested-With", b"XMLHttpRequest"), (b"Sec-Purpose", b"prefetch"), (b"Purpose", b"prefetch")),
    *((b"X-Purpose", b"preview"), (b"X-Moz", b"prefetch"), (b"Referer", b"https://shop.acme.example/")),
]
"""All that any decision on who asks and what for goes by, and some that none does."""

_ANSWERED = [
    *(HTML[0], (b"Content-Type", b"image/png"), (b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"x")),
    *((b"Content-Disposition", b"attachment"), (b"Cache-Control", b"no-transform"), (b"ETag", b'"1"')),
    *(
        (b"Cache-Control", b"public"),
        (b"Vary", b"Cookie"),
        (b"Vary", b"*"),
        (b"CDN-Cache-Control", b"public"),
    ),
    *((b"Location", b"/"), (b"Refresh", b"0"), (b"Date", b"today"), (b"Content-Length", b"9")),
]


def _messages(fields: list[tuple[bytes, bytes]]) -> st.SearchStrategy[Headers]:
    return st.lists(st.sampled_from(fields), max_size=8, unique=True).map(tuple)


@given(_messages(_SAID), st.sampled_from(["GET", "HEAD", "POST"]))
@settings(max_examples=400, deadline=None)
def test_who_asks_and_what_for_is_told_by_the_fields_it_is_remembered_by(
    headers: Headers, method: str
) -> None:
    arrival = ENGINE.arrive(Request(method, "https", "shop.acme.example", b"/", headers))
    assert arrival is not None
    assert arrival.asked == asked(read, SITES.all[0], method, headers)


def test_every_field_that_tells_who_asks_is_tried_above() -> None:
    assert {name.lower() for name, _ in _SAID} >= FIELDS


@given(_messages(_ANSWERED), st.sampled_from([200, 204, 302, 404]))
@settings(max_examples=400, deadline=None)
def test_what_a_body_is_is_told_by_the_fields_it_is_remembered_by(headers: Headers, status: int) -> None:
    known = names(headers)
    told, all_told = departing.body(status, headers), departing._body.__wrapped__(status, known, headers)
    assert told._replace(privacy=all_told.privacy) == all_told
    assert told.privacy.said == all_told.privacy.said
    assert told.privacy.keep(headers) == all_told.privacy.keep(headers)
