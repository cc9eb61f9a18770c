"""The Cookie header as it is in the wild, and the Set-Cookie header as we write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmproxy.identity import cookies as cookie
from kmproxy.identity.cookies import Cookies, SetCookie


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], {}),
        ([b""], {}),
        ([b"a=1"], {"a": b"1"}),
        ([b"a=1; b=2"], {"a": b"1", "b": b"2"}),
        ([b"a=1;b=2;"], {"a": b"1", "b": b"2"}),
        ([b" a = 1 ;\tb\t=\t2 "], {"a": b"1", "b": b"2"}),
        ([b"a=1", b"b=2"], {"a": b"1", "b": b"2"}),
        ([b"a=first; a=second"], {"a": b"first"}),
        ([b"a=first", b"a=second"], {"a": b"first"}),
        ([b"a=; a=second"], {"a": b""}),
        ([b"a=x=y=="], {"a": b"x=y=="}),
        ([b'j={"a":"b, c"}; km_ni=bob'], {"j": b'{"a":"b, c"}', "km_ni": b"bob"}),
        ([b"flag; km_ni=bob; other"], {"km_ni": b"bob"}),
        ([b"=nameless; km_ni=bob"], {"": b"nameless", "km_ni": b"bob"}),
        ([b"a[b]=1; a[]=2; km_ni=bob"], {"a[b]": b"1", "a[]": b"2", "km_ni": b"bob"}),
        ([b"(x)=1; @=2; km_ni=bob"], {"(x)": b"1", "@": b"2", "km_ni": b"bob"}),
        # Quotes belong to the value, as in document.cookie (RFC 6265bis §5.6).
        ([b'a="1"; b="x; y"'], {"a": b'"1"', "b": b'"x'}),
        ([b"n=jos\xe9; km_ni=bob"], {"n": b"jos\xe9", "km_ni": b"bob"}),
        ([b"jos\xe9=1; km_ni=bob"], {"josé": b"1", "km_ni": b"bob"}),
        ([b"a=100%; km_ni=bob"], {"a": b"100%", "km_ni": b"bob"}),
        ([b"a=\x00\x01; km_ni=bob"], {"a": b"\x00\x01", "km_ni": b"bob"}),
        ([b"KM_NI=no; km_ni=bob"], {"KM_NI": b"no", "km_ni": b"bob"}),
    ],
)
def test_no_neighbour_costs_a_cookie(headers: list[bytes], found: Cookies) -> None:
    assert cookie.read(headers) == found


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_are_read(headers: list[bytes]) -> None:
    found = cookie.read([b"km_ai=A", *headers])
    assert found["km_ai"] == b"A"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"", ""),
        (b"bob%40bob.com", "bob@bob.com"),
        (b"a+b", "a+b"),
        (b"%2B", "+"),
        (b"%252B", "%2B"),
        (b"%E6%97%A5", "日"),
        ("日".encode(), "日"),
        (b"%zz", "%zz"),
        (b"100%", "100%"),
        (b"%E9", None),
        (b"\xe9", None),
        (b"%ED%A0%80", None),
    ],
)
def test_a_value_is_decoded_once_and_never_half(raw: bytes, value: str | None) -> None:
    assert cookie.decode(raw) == value


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_encoded_is_read_back_through_a_header(value: str) -> None:
    header = SetCookie("km_ni", value, 60).header(secure=False)
    assert header.isascii()
    assert b"\r" not in header
    assert b"\n" not in header
    pair = header.partition(b"; ")[0]
    assert cookie.decode(cookie.read([pair])["km_ni"]) == value


@pytest.mark.parametrize(
    ("made", "secure", "header"),
    [
        (SetCookie("a", "1", 60), False, b"a=1; Path=/; Max-Age=60; SameSite=Lax"),
        (SetCookie("a", "1", 60), True, b"a=1; Path=/; Max-Age=60; SameSite=Lax; Secure"),
        (
            SetCookie("a", "x; Domain=evil", 60, "acme.example"),
            False,
            b"a=x%3B%20Domain%3Devil; Domain=acme.example; Path=/; Max-Age=60; SameSite=Lax",
        ),
        (SetCookie("a", "", 0), False, b"a=; Path=/; Max-Age=0; SameSite=Lax"),
    ],
)
def test_a_cookie_is_written_readable_for_scripts(made: SetCookie, secure: bool, header: bytes) -> None:
    assert made.header(secure=secure) == header


def test_cookies_that_are_set_are_the_ones_sent_next() -> None:
    sent = cookie.read([b"a=1; b=2; c=3"])
    lines = [
        SetCookie("a", "x y", 10, "acme.example").header(secure=True),
        SetCookie("b", "", 0).header(secure=False),
        SetCookie("d", "Max-Age=0;", 10).header(secure=False),
    ]
    assert cookie.updated(sent, lines) == {"a": b"x%20y", "c": b"3", "d": b"Max-Age%3D0%3B"}
    assert sent == {"a": b"1", "b": b"2", "c": b"3"}


def test_the_cookies_of_other_names_stay() -> None:
    lines = (b"km_ai=A; Path=/", b"km_ni=km_ai; Path=/", b"km_ai2=B; Path=/")
    assert cookie.others(lines, {"km_ai"}) == lines[1:]
    assert cookie.others(lines, ()) == lines
