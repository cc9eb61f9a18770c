"""What of a URL a log may keep."""

from __future__ import annotations

from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kmproxy.redact import LONGEST, REDACTED, text, url

ANN = "ann@acme.example"
DEVICE = "y75FAbCdEfGhIjKlMnOpQrSt/+w="

TABLE = [
    (b"/", "/"),
    (b"", ""),
    (b"*", "*"),
    (b"/a/b?c=d&e&=f#g", "/a/b?c=d&e&=f#g"),
    (b"/?kmi=someone&a=b", "/?kmi=[redacted]&a=b"),
    (b"/?a=b&distinct_id=x", "/?a=b&distinct_id=[redacted]"),
    (b"/?km_plan=pro&kme=Signed+Up&km_i=x", "/?km_plan=[redacted]&kme=[redacted]&km_i=[redacted]"),
    (b"/?_km=token", "/?_km=[redacted]"),
    (b"/?k%6di=x", "/?k%6di=[redacted]"),
    (
        b"/?KMI=someone&Distinct_ID=x&KM_plan=pro&_KM=t",
        "/?KMI=[redacted]&Distinct_ID=[redacted]&KM_plan=[redacted]&_KM=[redacted]",
    ),
    (b"/?K%4Di=someone&next=/%3FKmI%3Dx", "/?K%4Di=[redacted]&next=[redacted]"),
    (b"/?a=b&amp;kmi=someone", "/?a=b&amp;kmi=[redacted]"),
    (
        b"/?a=b&amp%3Bkmi=someone&+kmi=x&%20kmi=y",
        "/?a=b&amp%3Bkmi=[redacted]&+kmi=[redacted]&%20kmi=[redacted]",
    ),
    (b"/?kmi%3Dsomeone%26km_i=x", "/?[redacted]=[redacted]"),
    (b"/?kmi", "/?kmi[redacted]"),
    (b"/?kmix=a&xkmi=b&KMX_=c", "/?kmix=a&xkmi=b&KMX_=c"),
    (b"/?kmi=a;b", "/?kmi=[redacted]"),
    (b"/?a=1;kmi=x", "/?a=[redacted]"),
    (b"/#kmi=x", "/#kmi=[redacted]"),
    (b"/?a=b#?kmi=x&c=d", "/?a=[redacted]&c=d"),
    (b"/?next=https%3A%2F%2Fb.example%2F%3Fkmi%3Dx&c=d", "/?next=[redacted]&c=d"),
    (b"/?next=https%253A%252F%252Fb.example%252F%253Fkmi%253Dx", "/?next=[redacted]"),
    (b"/go/b.example%2F%3Fkmi%3Dx/on", "/go/[redacted]/on"),
    (b"https://b.example/?kmi=x", "https://b.example/?kmi=[redacted]"),
    (b"/" + b"%25" * 3 + b"25" * 12 + b"41", "/[redacted]"),
    (b"/" + b"x" * 2000, "/" + "x" * (LONGEST - 1) + "…"),
    (b"/caf\xc3\xa9/\xff", "/café/�"),
    (b"/u/ann@acme.example/cart", "/u/[redacted]/cart"),
    (b"/u/ann%40acme.example?q=ANN%40acme.example", "/u/[redacted]?q=[redacted]"),
    (b"/?q=mailto:ann@acme.example,bob", "/?q=[redacted]"),
    (b"/?ann@acme.example", "/?[redacted]"),
    (b"/?ann@acme.example=1", "/?[redacted]=1"),
    (b"/x/y75FAbCdEfGhIjKlMnOpQrSt/+w=", REDACTED),
    (b"/x?d=y75FAbCdEfGhIjKlMnOpQrSt%2F%2Bw%3D", "/x?d=[redacted]"),
    (b"/x?d=y75FAbCdEfGhIjKlMnOpQrSt%2F%20w%3D", "/x?d=[redacted]"),
    (b"/item/77/7", "/item/77/[redacted]"),
]


@pytest.mark.parametrize(("target", "kept"), TABLE)
def test_what_tells_of_a_visitor_is_left_out_and_the_rest_is_kept(target: bytes, kept: str) -> None:
    assert url(target, {ANN, DEVICE, "7"}) == kept


def test_a_short_text_is_kept_or_left_out_whole() -> None:
    assert (text("a.example"), text("ann.a.example", {"ann.a"})) == ("a.example", REDACTED)


_WAYS = [str, quote, quote_plus, lambda s: quote(s, safe=""), lambda s: quote(quote(s, safe=""), safe="")]
_PLACES = [
    "/{}",
    "/x/{}/y?a=b",
    "/x-{}-y",
    "/?kmi={}",
    "/?a=b&distinct_id={}&c=d",
    "/?q={}",
    "/?{}=1",
    "/?{}",
    "/?next=https%3A%2F%2Fb.example%2F%3Fkmi%3D{}",
    "https://b.example/?kmi={}#x",
    "/#{}",
    "{}",
]

identity = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd"), min_size=4, max_size=30
)


@settings(deadline=None)
@given(identity, st.lists(st.tuples(st.sampled_from(_PLACES), st.sampled_from(_WAYS)), max_size=3))
def test_no_identity_that_is_known_is_ever_kept(who: str, parts: list[tuple[str, object]]) -> None:
    assume(who.strip() and who not in REDACTED)
    target = "".join(place.format(way(who)) for place, way in parts)  # type: ignore[operator]
    kept = url(target.encode(), {who})
    for form in (kept, unquote(kept), unquote_plus(kept), unquote(unquote(kept))):
        assert who not in form


@settings(deadline=None)
@given(st.binary(max_size=60), st.sets(identity, max_size=2))
def test_any_bytes_can_be_asked_about(target: bytes, known: set[str]) -> None:
    assert isinstance(url(target, known), str)
