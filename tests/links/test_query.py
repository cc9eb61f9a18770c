"""The query of a request target: what it says, and the target without some of it."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from links_kit import P, decorate, owns

from kmproxy.links.query import Parameter, component, encode, parameters, strip


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"y75Fe33597qBqkR4obZZYV%2BwF3Y%3D", "y75Fe33597qBqkR4obZZYV+wF3Y="),
        (b"y75Fe33597qBqkR4obZZYV+wF3Y=", "y75Fe33597qBqkR4obZZYV wF3Y="),
        (b"y75F%252B", "y75F%2B"),
        (b"bob@bob.com", "bob@bob.com"),
        (b"User+12345", "User 12345"),
        (b"%E6%97%A5%e6%9c%ac", "日本"),
        ("日本".encode(), "日本"),
        (b"%F0%9F%98%80", "\U0001f600"),
        (b"%00%0a", "\0\n"),
        (b"%", None),
        (b"100%", None),
        (b"%zz", None),
        (b"%2", None),
        (b"%2g", None),
        (b"% 1", None),
        (b"%+1", None),
        (b"%%41", None),
        (b"%E9", None),
        (b"\xe9", None),
        (b"%C3", None),
        (b"%C0%AF", None),
        (b"%ED%A0%80", None),
        (b"%F4%90%80%80", None),
    ],
)
def test_a_component_is_decoded_as_javascript_decodes_it(raw: bytes, text: str | None) -> None:
    assert component(raw) == text


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        # reference: kissmetrics.md §7.2
        (b"?kmi=bob@bob.com", [("kmi", "bob@bob.com")]),
        (b"?kmi=a&kmi=b", [("kmi", "a"), ("kmi", "b")]),
        (b"?km_i=b&kmi=a", [("km_i", "b"), ("kmi", "a")]),
        (b"?kmi=", [("kmi", "")]),
        (b"?kmi", []),
        (b"?KMI=a", [("KMI", "a")]),
        (b"#kmi=a", []),
        (b"#/r?kmi=a", []),
        (b"?x=1#kmi=a", [("x", "1")]),
        (b"?x=1;kmi=a", [("x", "1;kmi=a")]),
        (b"?kme=Clicked+Link&km_Link+Location=top", [("kme", "Clicked Link"), ("km_Link Location", "top")]),
        (b"?kmi=100%", [("kmi", None)]),
        (b"?kmi=a&q=%E9", [("kmi", "a"), ("q", None)]),
        (b"?%E9=a&kmi=b", [("kmi", "b")]),
        (b"?%6bmi=a", [("kmi", "a")]),
        (b"?&&a=1&", [("a", "1")]),
        (b"?=x", [("", "x")]),
        (b"?a=b=c", [("a", "b=c")]),
        (b"?a=b?kmi=c", [("a", "b?kmi=c")]),
        (b"?", []),
        (b"", []),
    ],
)
def test_the_parameters_are_read_in_order(query: bytes, pairs: list[tuple[str, str | None]]) -> None:
    assert parameters(b"/p" + query) == [Parameter(name, value) for name, value in pairs]


@pytest.mark.parametrize(
    ("target", "clean"),
    [
        (b"/p?kmi=a", b"/p"),
        (b"/p?kmi=a&kmi=b", b"/p"),
        (b"/p?kmi", b"/p"),
        (b"/p?%6bmi=%zz", b"/p"),
        (b"/p?x=1&kmi=a", b"/p?x=1"),
        (b"/p?kmi=a&x=1", b"/p?x=1"),
        (b"/p?x=%e9+%2F&kmi=a&y&&z=\xff", b"/p?x=%e9+%2F&y&&z=\xff"),
        (b"/p?kmi=a#f?kmi=b", b"/p#f?kmi=b"),
        (b"/p?x=kmi=a", b"/p?x=kmi=a"),
        (b"/p?x;kmi=a", b"/p?x;kmi=a"),
        (b"/kmi=a?", b"/kmi=a?"),
        (b"/p?", b"/p?"),
        (b"/p?&&", b"/p?&&"),
        (b"/p?KMI=a&kmi%E9=b", b"/p?KMI=a&kmi%E9=b"),
        (b"//evil.example/?kmi=x", b"//evil.example/"),
    ],
)
def test_stripping_takes_what_is_unwanted_and_keeps_every_other_byte(target: bytes, clean: bytes) -> None:
    assert strip(target, owns) == clean


QUERIES = st.lists(
    st.sampled_from([b"?", b"&", b"=", b"x", b"%41", b"%", b"+", b";", b"kmix", b"\xff"]), max_size=10
)


@pytest.mark.no_cover
@given(
    st.sampled_from([b"/", b"/p", b"/p/q.html"]), QUERIES.map(b"".join), st.sampled_from([b"", b"#", b"#x?y"])
)
@settings(max_examples=500, deadline=None)
def test_what_was_decorated_is_stripped_back_to_what_it_was(
    path: bytes, query: bytes, fragment: bytes
) -> None:
    target = path + (b"?" + query if query else b"") + fragment
    done = decorate(b"https://b.example" + target)
    assert isinstance(done, bytes)

    # An empty query or pair at the end is lost: its place is the parameter's.
    body = target.removesuffix(fragment) if fragment else target
    ended = body[:-1] if body.endswith(b"&") or (body.endswith(b"?") and body.count(b"?") == 1) else body
    assert strip(done.removeprefix(b"https://b.example"), owns) == ended + fragment


@given(st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_stripping_nothing_changes_nothing(target: bytes) -> None:
    assert strip(target, lambda name: False) == target


@pytest.mark.no_cover
@given(st.text(max_size=40).filter(lambda text: text.isprintable()))
@settings(max_examples=300, deadline=None)
def test_an_encoded_value_survives_in_ascii(value: str) -> None:
    encoded = encode(value)

    assert component(encoded.encode("ascii")) == unquote(encoded) == value
    assert not set(encoded) & set("&=#?+;\"'<> ")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("y75Fe33597qBqkR4obZZYV+wF3Y=", "y75Fe33597qBqkR4obZZYV%2BwF3Y%3D"),
        ("rAy2wPD+HQeNkxP4eQNAIzMi/7s=", "rAy2wPD%2BHQeNkxP4eQNAIzMi%2F7s%3D"),
        ("User 12345", "User%2012345"),
        ("a&b=c#d", "a%26b%3Dc%23d"),
        ("100%", "100%25"),
        ("o'brien~(x)!*@ex.com", "o%27brien~%28x%29%21%2A%40ex.com"),
        ("日本語", "%E6%97%A5%E6%9C%AC%E8%AA%9E"),
        ("-._~", "-._~"),
    ],
)
def test_a_value_is_encoded_once(value: str, encoded: str) -> None:
    assert encode(value) == encoded


def test_the_parameter_of_a_decorated_link_reads_as_it_was_written() -> None:
    done = decorate(b"https://b.example/?q=1", text=P)

    assert isinstance(done, bytes)
    assert parameters(done)[-1] == Parameter("kmi", "p2fvF3kGwdjQPxTO6yYKy8qocPA=")
