"""Which links are decorated, and where in their bytes the parameters go."""

from __future__ import annotations

import re

import pytest
from ada_url import URL
from hypothesis import given, settings
from hypothesis import strategies as st
from links_kit import DOMAINS, NAMES, PAGE, P, decorate, leads, owns

from kmproxy.links import entities
from kmproxy.links.decorate import Skip, Slot, find_slot
from kmproxy.links.query import component

LEFT = [Skip.UNREADABLE, Skip.NOT_HTTP, Skip.ELSEWHERE, Skip.SHARED_SCOPE, Skip.TAGGED, Skip.UNSURE]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # reference: kissmetrics.md §7.3
        (b"https://b.example", b"https://b.example/?P"),
        (b"https://b.example/p", b"https://b.example/p?P"),
        (b"https://b.example/p?x=1", b"https://b.example/p?x=1&P"),
        (b"https://b.example/p?", b"https://b.example/p?P"),
        (b"https://b.example/p#top", b"https://b.example/p?P#top"),
        (b"https://b.example/p?x=1#/r?y=2", b"https://b.example/p?x=1&P#/r?y=2"),
        (b"https://b.example/p?a=1%2C2&flag&u=%E9", b"https://b.example/p?a=1%2C2&flag&u=%E9&P"),
        (b"//b.example/p", b"//b.example/p?P"),
        (b"https://B.EXAMPLE:443/p", b"https://B.EXAMPLE:443/p?P"),
        # without a path
        (b"https://b.example#top", b"https://b.example/?P#top"),
        (b"https://b.example?x", b"https://b.example?x&P"),
        (b"//b.example", b"//b.example/?P"),
        (b"//b.example:8443", b"//b.example:8443/?P"),
        (b"https://user@b.example", b"https://user@b.example/?P"),
        (b"https://b.example:8443", b"https://b.example:8443/?P"),
        # the query's end
        (b"https://b.example/p?x=1&", b"https://b.example/p?x=1&P"),
        (b"https://b.example/p?#", b"https://b.example/p?P#"),
        (b"https://b.example/p#", b"https://b.example/p?P#"),
        (b"https://b.example/p?x=a?", b"https://b.example/p?x=a?&P"),
        (b"https://b.example/p??", b"https://b.example/p??&P"),
        (b"https://b.example/p?a=b?c", b"https://b.example/p?a=b?c&P"),
        (b"https://b.example/p?x;y", b"https://b.example/p?x;y&P"),
        (b"https://b.example/p?x=1&amp;y=2", b"https://b.example/p?x=1&amp;y=2&P"),
        # schemes, case, slashes and ports
        (b"HTTPS://B.Example/Q", b"HTTPS://B.Example/Q?P"),
        (b"http://b.example/", b"http://b.example/?P"),
        (b"http://b.example:443/", b"http://b.example:443/?P"),
        (b"http:b.example", b"http:b.example/?P"),
        (b"http:/b.example", b"http:/b.example/?P"),
        (b"https:///b.example", b"https:///b.example/?P"),
        (b"https:\\\\b.example\\p", b"https:\\\\b.example\\p?P"),
        (b"\\\\b.example", b"\\\\b.example/?P"),
        (b"/\\b.example/p", b"/\\b.example/p?P"),
        (b"https://b.example\\p", b"https://b.example\\p?P"),
        (b"https://evil.test@b.example/", b"https://evil.test@b.example/?P"),
        (b"https://evil.test%2F@b.example", b"https://evil.test%2F@b.example/?P"),
        (b"https://b.example./p", b"https://b.example./p?P"),
        # white space
        (b" \t\nhttps://b.example/p \r\n", b" \t\nhttps://b.example/p?P \r\n"),
        (b"https://b.example \n", b"https://b.example/?P \n"),
        (b"ht\ntps://b.ex\tample/p\r\n?x", b"ht\ntps://b.ex\tample/p\r\n?x&P"),
        (b"/\n/b.example", b"/\n/b.example/?P"),
        (b"htt\nps:/\t/b.example", b"htt\nps:/\t/b.example/?P"),
        (b"https://b.example/p ?x=1 ", b"https://b.example/p ?x=1&P "),
        (b"https://b.example/p #x ", b"https://b.example/p ?P#x "),
        (b"https://b.example/a b", b"https://b.example/a b?P"),
        # IDN, addresses, percent-encoded hosts, non-ASCII
        ("https://bücher.example/ß".encode(), "https://bücher.example/ß?P".encode()),
        ("https://BÜCHER.example".encode(), "https://BÜCHER.example/?P".encode()),
        (b"https://xn--bcher-kva.example", b"https://xn--bcher-kva.example/?P"),
        ("https://b。example/p".encode(), "https://b。example/p?P".encode()),
        (b"https://%62.example/", b"https://%62.example/?P"),
        (b"http://[2001:DB8::1]", b"http://[2001:DB8::1]/?P"),
        (b"http://192.0.519/", b"http://192.0.519/?P"),
        (b"https://b.example/\xe9#\xe9", b"https://b.example/\xe9?P#\xe9"),
        (b"https://b.example/\xc3\x83#\xe9", b"https://b.example/\xc3\x83?P#\xe9"),
        (b"https://b\xfccher.example/\xe9?\xe9", b"https://b\xfccher.example/\xe9?\xe9&P"),
        # names that only look like ours
        (b"https://b.example/?kmix=1&KMI=1", b"https://b.example/?kmix=1&KMI=1&P"),
        (b"https://b.example/kmi=1", b"https://b.example/kmi=1?P"),
        (b"https://b.example/?x=1;kmi=1", b"https://b.example/?x=1;kmi=1&P"),
        (b"https://b.example/#?kmi=1", b"https://b.example/?P#?kmi=1"),
        (b"https://b.example/?%E9=1", b"https://b.example/?%E9=1&P"),
    ],
)
def test_a_link_to_another_domain_gets_its_parameters_and_nothing_else(url: bytes, expected: bytes) -> None:
    assert decorate(url) == re.sub(rb"(?<=[?&])P", P, expected)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (b"https://notb.example/p", Skip.ELSEWHERE),
        (b"https://b.example.evil.test/", Skip.ELSEWHERE),
        (b"https://b.example@evil.test/", Skip.ELSEWHERE),
        (b"https://b.example:80@evil.test/", Skip.ELSEWHERE),
        (b"https://evil.test\\@b.example/", Skip.ELSEWHERE),
        (b"https://evil.test/@b.example/", Skip.ELSEWHERE),
        (b"https://evil.test?@b.example/", Skip.ELSEWHERE),
        (b"https://evil.test#@b.example/", Skip.ELSEWHERE),
        (b"https://evil.test/?u=https://b.example/", Skip.ELSEWHERE),
        (b"https://x.b.example/", Skip.ELSEWHERE),
        (b"https://\xfcb.example/", Skip.ELSEWHERE),
        (b"mailto:a@b.example", Skip.NOT_HTTP),
        (b"javascript:location='https://b.example/'", Skip.NOT_HTTP),
        (b"ftp://b.example/", Skip.NOT_HTTP),
        (b"b.example:8080/p", Skip.NOT_HTTP),
        (b"blob:https://b.example/1", Skip.NOT_HTTP),
        (b"https://", Skip.UNREADABLE),
        (b"https://b.example:99999/", Skip.UNREADABLE),
        (b"https://b .example/", Skip.UNREADABLE),
        (b"https://b.example\0/", Skip.UNREADABLE),
        (b"http://[::1", Skip.UNREADABLE),
        (b"", Skip.SHARED_SCOPE),
        (b"#x", Skip.SHARED_SCOPE),
        (b"?x=1", Skip.SHARED_SCOPE),
        (b"b.example", Skip.SHARED_SCOPE),
        (b"/b.example/p", Skip.SHARED_SCOPE),
        (b"https:b.example/p", Skip.SHARED_SCOPE),
        (b"https://shop.a.example/", Skip.SHARED_SCOPE),
        (b"https://b.example/p?kmi=s739830572754", Skip.TAGGED),
        (b"https://b.example/p?kmi", Skip.TAGGED),
        (b"https://b.example/p?x&km_i=1#y", Skip.TAGGED),
        (b"https://b.example/p?distinct_id=1", Skip.TAGGED),
        (b"https://b.example/p?%6bmi=1", Skip.TAGGED),
        (b"https://b.example/p?km%5Fi=1", Skip.TAGGED),
        (b"https://b.example/p?k\nm\ti=1", Skip.TAGGED),
        (b"https://b.example/p?x=\r\n&kmi=1", Skip.TAGGED),
    ],
)
def test_a_link_that_leads_nowhere_of_ours_is_left_for_a_reason(url: bytes, why: Skip) -> None:
    assert decorate(url) is why


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"https://b.example/p?x=1&amp;y=2", b"https://b.example/p?x=1&amp;y=2&amp;P"),
        (b"https://b.example/p?x=1&y=2", b"https://b.example/p?x=1&y=2&amp;P"),
        (b"https&colon;&sol;&sol;b&period;example", b"https&colon;&sol;&sol;b&period;example/?P"),
        (b"&#104;&#x74;tps://b.example/", b"&#104;&#x74;tps://b.example/?P"),
        (b"https://b.example/p&#63;", b"https://b.example/p&#63;&amp;P"),
        (b"https://b.example/p&quest;x", b"https://b.example/p&quest;x&amp;P"),
        (b"https://b.example/p&num;top", b"https://b.example/p?P&num;top"),
        (b"https://b.example/p&#35;top", b"https://b.example/p?P&#35;top"),
        (b"https://b.example/p?x&#x23top", b"https://b.example/p?x&amp;P&#x23top"),
        (b"https://b.example/p?x&#top", b"https://b.example/p?x&P#top"),
        (b"https://b.example/p?x&amp", b"https://b.example/p?x&amp&amp;P"),
        (b"https://b.example/p?x&amp;", b"https://b.example/p?x&amp;P"),
        (b"https://b.example/p?x&AMP;", b"https://b.example/p?x&AMP;&amp;P"),
        (b"https://b.example/p?x&", b"https://b.example/p?x&P"),
        (b"https://b.example/p?x&#38;#top", b"https://b.example/p?x&#38;&amp;P#top"),
        (b"https://b.example/p?x&copy", b"https://b.example/p?x&copy&amp;P"),
        (b"https://b.example/p&copy", b"https://b.example/p&copy?P"),
        (b"https://b.example/p?x&copy=1", b"https://b.example/p?x&copy=1&amp;P"),
        (b"https://b.example/p?x&copyright", b"https://b.example/p?x&copyright&amp;P"),
        (b"https://b.example/p?x&copy#y", b"https://b.example/p?x&copy&amp;P#y"),
        (b"https://b.example/p?x&amp;amp;", b"https://b.example/p?x&amp;amp;&amp;P"),
        (b"https://b.example/&#1;p", b"https://b.example/&#1;p?P"),
        (b"&#32;https://b.example/p&#10;&Tab;", b"&#32;https://b.example/p?P&#10;&Tab;"),
        (b"https://b.example/p?x&amp;&#32;", b"https://b.example/p?x&amp;P&#32;"),
        (b"https://b.example/p&nbsp;", b"https://b.example/p&nbsp;?P"),
        (b"https://b.example/&bne;#x", b"https://b.example/&bne;?P#x"),
        (b"https://b.example/p\0", b"https://b.example/p\0?P"),
        (b"https://b.example/p\0#x", b"https://b.example/p\0?P#x"),
        (b"https://b.example/&eacute;\xe9#\xe9", b"https://b.example/&eacute;\xe9?P#\xe9"),
        (b"https://b&uuml;cher.example", b"https://b&uuml;cher.example/?P"),
        (b"https://b.example/p?x&am", b"https://b.example/p?x&am&amp;P"),
        (b"https://b.example/p?km&#105;x=1", b"https://b.example/p?km&#105;x=1&amp;P"),
    ],
)
def test_in_html_references_are_read_and_kept(value: bytes, expected: bytes) -> None:
    assert decorate(value, in_html=True, text=b"P") == expected


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"https://b.example/p?km&#105;=1", Skip.TAGGED),
        (b"https://b.example/p&quest;kmi=1", Skip.TAGGED),
        (b"https://b.example/p?x=1&amp;kmi=1", Skip.TAGGED),
        (b"https://b.example/p?k&#10;mi=1", Skip.TAGGED),
        (b"https://b.example/p?x=1&ampkmi=1", None),
        (b"https://b.example&#64;evil.test/", Skip.ELSEWHERE),
        (b"https://b.example&commat;evil.test/", Skip.ELSEWHERE),
        (b"https://b.exam&#1;ple/", Skip.UNREADABLE),
        (b"https://b.example&#0;/", Skip.UNREADABLE),
        (b"java&Tab;script:1", Skip.NOT_HTTP),
        (b"https://b.example/&#" + b"1" * 5000 + b";", None),
    ],
)
def test_in_html_what_a_link_says_is_what_its_references_say(value: bytes, why: Skip | None) -> None:
    found = decorate(value, in_html=True)

    assert found is why if why else isinstance(found, bytes)


@pytest.mark.parametrize(
    "ending", [b"&#63;", b"&#63", b"&#x3f", b"&#x3F;", b"&quest;", b"?", b"?&", b"?&amp", b"?&#38"]
)
@pytest.mark.parametrize("name", ["kmi", "distinct_id", "ABCDEF", "123"])
def test_no_reference_runs_into_the_name_of_a_parameter(ending: bytes, name: str) -> None:
    done = decorate(b"https://b.example/p" + ending, in_html=True, text=name.encode() + b"=v")

    assert isinstance(done, bytes)
    seen = URL(entities.decode(done.decode())[0]).search
    assert seen.endswith((f"?{name}=v", f"&{name}=v"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (b"p", b"p?P"),
        (b"p?x", b"p?x&P"),
        (b"?x", b"?x&P"),
        (b"", b"?P"),
        (b"#top", b"?P#top"),
        (b"/", b"/?P"),
        (b"../p", b"../p?P"),
        (b"//www.a.example/", Skip.SHARED_SCOPE),
    ],
)
def test_a_relative_link_leads_where_the_base_leads(url: bytes, expected: bytes | Skip) -> None:
    assert decorate(url, "https://b.example/dir/", text=b"P") == expected


def test_a_link_that_only_repeats_its_base_is_left_where_that_has_a_query() -> None:
    assert decorate(b"#top", "https://b.example/?x=1") is Skip.UNSURE


def test_a_splice_that_would_change_the_path_is_not_made() -> None:
    assert decorate(b"https:p", "https://b.example/") is Skip.UNSURE


def test_a_base_that_leads_away_takes_relative_links_out_of_the_site() -> None:
    assert decorate(b"p", "https://evil.test/") is Skip.ELSEWHERE


def test_html_and_headers_differ_in_their_separator_only() -> None:
    url = b"https://b.example/p?x=1"

    assert find_slot(url, PAGE, leads, owns, in_html=True) == Slot(len(url), b"&amp;")
    assert find_slot(url, PAGE, leads, owns, in_html=False) == Slot(len(url), b"&")


PARTS = st.sampled_from(
    [
        *(
            "https:",
            "http:",
            "//",
            "/",
            "\\",
            "b.example",
            "B.EXAMPLE",
            "evil.test",
            "bücher.example",
            "a.example",
        ),
        *(
            "@",
            ":443",
            ":",
            "?",
            "#",
            "&",
            "&amp;",
            "&amp",
            "&#63;",
            "&#x3f",
            "&quest;",
            "&num;",
            "&#35",
            "&copy",
        ),
        *("kmi=", "%6bmi=1", "km_i", "distinct_id", "=", "x=1", "p", ".", "..", "%", "%2F", "%E9", "+", ";"),
        *(
            " ",
            "\t",
            "\n",
            "\r",
            "\0",
            "\x0c",
            "\x1f",
            "é",
            "\u2028",
            "\U0001f600",
            "&#10;",
            "&#0;",
            "&#1",
            "&nbsp;",
        ),
    ]
)
TO_US = st.sampled_from(
    ["https://b.example", "//b.example", "http:\\\\B.example/p", " https://bücher.example/?"]
)
URLS = st.one_of(
    st.builds(str.__add__, TO_US, st.lists(PARTS, max_size=8).map("".join)),
    st.lists(PARTS, max_size=10).map("".join),
    st.text(max_size=20),
)
RAWS = st.one_of(
    URLS.map(str.encode), URLS.map(lambda url: url.encode("latin-1", "replace")), st.binary(max_size=20)
)
BASES = st.sampled_from([PAGE, "https://b.example/dir/", "https://b.example/?x=1#y"])


def shown(raw: bytes, *, in_html: bool) -> str:
    """The URL a browser reads, with the standard library's idea of what stands in an attribute."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return entities.decode(text.replace("\0", "\ufffd"))[0] if in_html else text


@pytest.mark.no_cover
@given(RAWS, BASES, st.booleans())
@settings(max_examples=600, deadline=None)
def test_a_url_is_untouched_or_grows_at_the_end_of_its_query_alone(
    raw: bytes, base: str, in_html: bool
) -> None:
    done = decorate(raw, base, in_html=in_html, text=b"kmi=v%3D")
    if isinstance(done, Skip):
        return
    before, after = URL(shown(raw, in_html=in_html), base), URL(shown(done, in_html=in_html), base)

    assert after.search in (f"{before.search or '?'}kmi=v%3D", f"{before.search or '?'}&kmi=v%3D")
    assert after.search[1:].split("&")[-1] == "kmi=v%3D"
    after.search = before.search
    assert after.href.replace("?", "") == before.href.replace("?", "")
    assert before.hostname.removesuffix(".") in DOMAINS
    assert before.protocol in ("http:", "https:")


@pytest.mark.no_cover
@given(RAWS, BASES, st.booleans())
@settings(max_examples=600, deadline=None)
def test_decorating_twice_changes_nothing(raw: bytes, base: str, in_html: bool) -> None:
    done = decorate(raw, base, in_html=in_html)

    assert done in LEFT or (isinstance(done, bytes) and decorate(done, base, in_html=in_html) is Skip.TAGGED)


@pytest.mark.no_cover
@given(RAWS, BASES)
@settings(max_examples=600, deadline=None)
def test_every_link_to_us_is_decorated_unless_tagged_or_odd(raw: bytes, base: str) -> None:
    try:
        url = URL(shown(raw, in_html=False), base)
    except ValueError:
        assert decorate(raw, base) is Skip.UNREADABLE
        return
    if url.protocol not in ("http:", "https:") or leads(url.hostname):
        assert decorate(raw, base) in (Skip.NOT_HTTP, Skip.ELSEWHERE, Skip.SHARED_SCOPE)
        return
    names = {component(pair.partition("=")[0].encode()) for pair in url.search[1:].split("&")}
    inherits = url.search == URL(base).search != "" and "?" not in shown(raw, in_html=False).partition("#")[0]
    odd = inherits or shown(raw, in_html=False).lower().lstrip().startswith(("https:", "ht"))
    found = decorate(raw, base)

    assert (found is Skip.TAGGED) == bool(names & NAMES)
    assert found is Skip.TAGGED or isinstance(found, bytes) or (found is Skip.UNSURE and odd)
