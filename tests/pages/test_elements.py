"""Elements beside ``a`` and ``area``: forms and their buttons, frames, meta refresh; and who opts out."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from pages_kit import PAGE, bytewise, cut, slot
from test_golden_rule import pages, places

from kmproxy.config.model import Config
from kmproxy.links.decorate import Skip, Slot
from kmproxy.pages.chunks import ChunkCache, Texts
from kmproxy.pages.elements import Elements
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import Scanner, State
from kmproxy.pages.syntax import any_case
from kmproxy.site import Sites, resolve_base

ALL = ("a", "area", "form", "iframe")
TEXTS = Texts(b"kmi=v", b'<input type="hidden" name="kmi" value="v">')
FIELDS = TEXTS.fields.decode()
B = "//b.example/p"


def filled(
    page: str, elements: Iterable[str] = ALL, *, refresh: bool = True, only_class: str = ""
) -> set[str]:
    """The page as it leaves, whole and byte by byte: one and the same."""
    found = set()
    for chunks in ([page.encode()], list(bytewise(page.encode()))):
        rules = Scanner(Elements(elements, refresh=refresh, only_class=only_class), slot, resolve_base)
        scan = PageScan(rules, "www.a.example", PAGE, ChunkCache(1 << 20))
        parts = [part for chunk in chunks for part in [*scan.feed(chunk), *scan.flush()]]
        found.add(b"".join(part.filled(TEXTS) for part in [*parts, *scan.finish()]).decode())
    return found


@pytest.mark.parametrize(
    ("page", "out"),
    [
        # A POST keeps its action's query.
        ('<form method=post action="@">', '<form method=post action="@+">'),
        ('<form method=" POST " action=@?x>', '<form method=" POST " action=@?x&amp;kmi=v>'),
        # A GET drops it, and sends what is in the form.
        ('<form action="@">x', '<form action="@">~x'),
        ('<form method=get action="@?x=1">x', '<form method=get action="@?x=1">~x'),
        ('<form method=unknown action="@">x', '<form method=unknown action="@">~x'),
        ("<form action=/here><form>", None),
        ("<form method=dialog action=@>", None),
        ("<form action=@?kmi=1>", None),
        ("<form data-kmproxy=off action=@>", None),
        # Buttons with an action of their own.
        ("<button formmethod=post formaction=@>", "<button formmethod=post formaction=@+>"),
        (
            "<input type=submit formmethod=post formaction=@>",
            "<input type=submit formmethod=post formaction=@+>",
        ),
        ("<form method=post><button formaction=@>", "<form method=post><button formaction=@+>"),
        (
            "<form method=post></form><button formaction=@>",
            "<form method=post></form><button formaction=@>",
        ),
        ("<form><button formaction=@>", None),
        (
            "<form method=post><button formmethod=get formaction=@>",
            "<form method=post><button formmethod=get formaction=@>",
        ),
        ("<button><input name=x>", None),
        # Frames; what stands in one is text.
        ("<iframe src=@><a href=@></iframe>", "<iframe src=@+><a href=@></iframe>"),
        ("<iframe srcdoc='<a href=@>' src=/x>", None),
        # Meta refresh.
        (
            '<meta http-equiv=refresh content="5; url=@">',
            '<meta http-equiv=refresh content="5; url=@+">',
        ),
        (
            "<META HTTP-EQUIV='Refresh' content='0;URL=@'>",
            "<META HTTP-EQUIV='Refresh' content='0;URL=@+'>",
        ),
        ("<meta http-equiv=refresh content='0; @'>", "<meta http-equiv=refresh content='0; @+'>"),
        (
            "<meta http-equiv=refresh content='0;url=&quot;@?a&amp;b&quot;x'>",
            "<meta http-equiv=refresh content='0;url=&quot;@?a&amp;b&amp;kmi=v&quot;x'>",
        ),
        ("<meta http-equiv=refresh content=30>", None),
        ("<meta name=refresh content='0;url=@'>", None),
        (
            "<meta http-equiv=refresh content='0;url=/x?u=@'>",
            "<meta http-equiv=refresh content='0;url=/x?u=@'>",
        ),
        # Never.
        ("<link rel=canonical href=@>", None),
        ("<img src=@><script src=@></script>", None),
        (
            "<a href='mailto:x%40b.example'><a href='javascript:b.example'>",
            "<a href='mailto:x%40b.example'><a href='javascript:b.example'>",
        ),
        (
            "<a download href='data:text/html,//b.example/'>",
            "<a download href='data:text/html,//b.example/'>",
        ),
    ],
)
def test_elements_carry_the_visitor_the_way_browsers_send_them(page: str, out: str | None) -> None:
    """``@`` stands for a URL of the other domain, ``+`` for the parameter, ``~`` for the hidden input."""
    marks = {"@+": B + "?kmi=v", "@": B, "~": FIELDS}
    for mark, text in marks.items():
        page, out = page.replace(mark, text), out and out.replace(mark, text)
    assert filled(page) == {out or page}


@pytest.mark.parametrize("element", ["form", "iframe"])
def test_elements_that_are_not_asked_for_are_left_alone(element: str) -> None:
    page = f"<{element} method=post action={B} src={B}></{element}><button formmethod=post formaction={B}>"

    assert filled(page, ("a", "area"), refresh=False) == {page}


def test_meta_refresh_goes_with_the_redirects() -> None:
    page = f"<meta http-equiv=refresh content='0;url={B}'>"

    assert filled(page, refresh=False) == {page}


@pytest.mark.parametrize(
    ("page", "is_decorated"),
    [
        (f"<a class=out href='{B}'>", True),
        (f"<a href='{B}' class='x out\ny'>", True),
        (f"<a class=outside href='{B}'>", False),
        (f"<a class=OUT href='{B}'>", False),
        (f"<a href='{B}'>", False),
        (f"<iframe class=out src='{B}'>", True),
        (f"<form class=out method=post action='{B}'>", True),
        (f"<form method=post action='{B}'>", False),
    ],
)
def test_with_only_class_just_elements_of_that_class_are_decorated(page: str, is_decorated: bool) -> None:
    expected = page.replace(B, B + "?kmi=v") if is_decorated else page

    assert filled(page, only_class="out") == {expected}


@pytest.mark.no_cover
@given(pages, places)
@settings(max_examples=600, deadline=None)
def test_links_passed_by_unseen_are_links_that_would_not_be_decorated(page: bytes, at: list[int]) -> None:
    def out(hosts: tuple[bytes, ...] | None, chunks: list[bytes]) -> bytes:
        rules = Scanner(Elements(ALL, refresh=True), slot, resolve_base, hosts)
        scan = PageScan(rules, "www.a.example", PAGE, ChunkCache(1 << 20))
        parts = [part for chunk in chunks for part in [*scan.feed(chunk), *scan.flush()]]
        return b"".join(part.filled(TEXTS) for part in [*parts, *scan.finish()])

    looking = out(None, [page])
    assert out((any_case(b"b.example"),), [page]) == looking
    assert out((any_case(b"b.example"),), cut(page, at)) == looking


@pytest.mark.parametrize(
    ("href", "is_decorated"),
    [
        ("https://shop.example/x", True),
        ("HTTPS://SHOP.EXAMPLE", True),
        ("//shop.example?x", True),
        ("//shop.example.#x", True),
        ("https://a.deep.wild.example:8443/", True),
        ("https://A.WILD.example", True),
        ("https://wild.example/", False),
        ("https://notshop.example/", False),
        ("https://shop.example.evil.test/", False),
        ("https://www.blog.example/", False),
        ("/x?u=https://shop.example/", False),
        ("#https://shop.example/", False),
        ("x/https://shop.example/", False),
        ("http:shop.example", True),
        ("https:shop.example", False),
        ("https:\\\\shop.example", True),
        ("/\\shop.example", True),
        ("/\t/shop.example", True),
        ("h\nttps://shop.example/", True),
        (" https://shop.example/ ", True),
        ("https://sh%6fp.example/", True),
        ("https://shop&#46;example/", True),
        ("https://x@shop.example/", True),
        ("https://x:80@shop.example/", True),
        ("https://ｓhop.example/", True),
        ("&#x2f;/shop.example", True),
        ("/&#x2f;shop.example", True),
    ],
)
def test_however_a_host_is_written_a_served_page_decorates_it(href: str, is_decorated: bool) -> None:
    hosts = ("blog.example", "shop.example", "*.wild.example", "www.blog.example")
    domains = [{"host": host} for host in hosts]
    config = {"site": [{"name": "s", "kissmetrics": {"api_key": "k"}, "domain": domains}]}
    site = Sites(Config.model_validate(config)).all[0]
    page = f'<p><a class="x" href="{href}">'.encode()

    walked = site.scanner("blog.example").walk(State(base="https://blog.example/"), page, final=True)
    found = site.slot("blog.example", "https://blog.example/", href.encode(), in_html=True)

    assert len(walked.pieces) - 1 == is_decorated
    assert isinstance(found, Slot if is_decorated else Skip)
