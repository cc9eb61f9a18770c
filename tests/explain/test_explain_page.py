"""What ``kmproxy explain`` tells of a page: which links are decorated, and why others are not."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ada_url import URL
from explain_kit import BLOG, CONFIG, KM, MINTED, SHOP, A, Explainer, place

from kmproxy.config import load
from kmproxy.engine import Engine
from kmproxy.explain.question import browser_request
from kmproxy.messages import Response
from kmproxy.pages.elements import Elements
from kmproxy.site import Sites

pytest_plugins = ("explain_fixtures",)

LINKS = f"""<!doctype html><title><a href="{SHOP}/title"></title>
<a href="{SHOP}/x?a=1&amp;b#f">shop</a>
<a href="/about">about</a>
<a href="https://www.rival.example/">rival</a>
<a href="https://other.example/">other</a>
<a data-kmproxy=off href="{SHOP}/off">off</a>
<a href="{SHOP}/?kmi=x">tagged</a>
<a href="mailto:ann@acme.example">mail</a>
<a href="https://[">bad</a>
<a href>empty</a>
<!-- <a href="{SHOP}/comment"> -->
<form action="{SHOP}/search"></form>
<iframe src="https://www.video.example/"></iframe>
<meta http-equiv=refresh content="5; url={SHOP}/later">
"""


def _by_line(page: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {link["line"]: link for link in page["links"]}


def _site(tables: str) -> str:
    return KM + "[site.links]\n" + tables


def test_each_link_is_told_with_what_becomes_of_it_or_why_not(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", KM + '[[site]]\nname = "rival"\nkissmetrics = { api_key = "r" }\n'
                    '[[site.domain]]\nhost = "www.rival.example"\n')  # fmt: skip
    page = explainer.page(LINKS, "--cookie", "km_ni=ann")
    assert page["parameters"] == "kmi=ann"
    links = _by_line(page)
    assert links[2]["becomes"] == f"{SHOP}/x?a=1&b&kmi=ann#f"
    assert links[2]["leads_to"] == f"{SHOP}/x?a=1&b#f"
    assert links[14]["becomes"] == f"{SHOP}/later?kmi=ann"
    assert {line: link["why"] for line, link in links.items() if link["becomes"] is None} == {
        3: "shared-cookie-scope",
        4: "other-site",
        5: "other-site",
        6: "opted-out",
        7: "already-tagged",
        8: "not-http",
        9: "unreadable-url",
        12: "other-element",
    }
    assert links[4]["words"] == "leads to another site, rival; sites never exchange identities"
    assert place(links[4]["config"]) == "12: site[1].domain[0].host"
    assert links[5]["words"] == "leads to no domain of this site"
    assert place(links[12]["config"]) == "site[0].links.elements (default)"
    assert links[6]["url"] == f"{SHOP}/off"


def test_people_read_the_same_grouped_by_reason(explainer: Explainer) -> None:
    text = explainer.words(BLOG, "--page", explainer.write("post.html", LINKS), "--cookie", "km_ni=ann")
    assert f"\npage {BLOG}/ (from post.html)\n" in text
    assert f"    line 2, <a>: {SHOP}/x?a=1&b#f\n      -> {SHOP}/x?a=1&b&kmi=ann" in text
    assert (
        '  left alone: 1: other-element: <form> is not decorated\n    [site[0].links.elements = ["a", '
        in text
    )
    assert "  left alone: 1: opted-out: the element says" in text
    assert "there is no link in it that could be decorated" in explainer.words(
        BLOG, "--page", explainer.write("p.html", "<p>")
    )


def test_a_shared_cookie_scope_is_named_with_its_line(explainer: Explainer) -> None:
    html = '<a href="https://help.acme.example/">help</a>'
    [link] = explainer.page(html, url=SHOP)["links"]
    assert link["why"] == "shared-cookie-scope"
    assert (
        "kissmetrics's reaches all of acme.example, mixpanel's reaches all of acme.example" in link["words"]
    )
    assert place(link["config"]) == "site[0].identity.cookie_domain (default)"
    rival = '[[site]]\nname = "rival"'
    scope = '[site.identity]\ncookie_domain = "acme.example"\n'
    explainer.write("kmproxy.toml", CONFIG.replace(rival, scope + rival))
    [link] = explainer.page(html, url=SHOP)["links"]
    assert place(link["config"]) == "20: site[0].identity.cookie_domain"


def test_elements_classes_and_refreshes_are_told_with_their_lines(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", _site('elements = ["form"]\nonly_class = "out"\nredirects = false\n'))
    html = (
        f'<form class=out action="{SHOP}/s"><button class=out formaction="{SHOP}/b">\n</form>'
        f'<form action="{SHOP}/t"></form>\n<a class=out href="{SHOP}/">\n'
        f'<meta http-equiv=refresh content="1;url={SHOP}/">\n<a href="{SHOP}/">\n<input name=q>'
    )
    links = explainer.page(html, "--cookie", "km_ni=ann")["links"]
    assert [(link["element"], link["why"], link["becomes"]) for link in links] == [
        ("form", "", "kmi=ann"),
        ("button", "formaction-by-get", None),
        ("form", "other-class", None),
        ("a", "other-element", None),
        ("meta", "other-element", None),
    ]
    assert links[0]["words"] == "as hidden inputs"
    assert [place(link["config"]) for link in links[2:]] == [
        "10: site[0].links.only_class",
        "9: site[0].links.elements",
        "11: site[0].links.redirects",
    ]


@pytest.mark.parametrize(
    "html",
    [
        LINKS,
        f'<script>"<a href={SHOP}>"</script><a href={SHOP}>a</a><svg><a href="{SHOP}"></svg>',
        f'<base href="{SHOP}/x/"><a href="y"><a href="//{SHOP[8:]}"><textarea><a href="{SHOP}"></textarea>',
        f'<a href="{SHOP}/"><base href="https://other.example/"><a href="/z"><noscript><a href="{SHOP}">',
        f"<a href='{SHOP}/&#x3f;a' href='/b'><A HREF=\"HTTPS://SHOP.ACME.EXAMPLE\"><area href='{SHOP}'>",
        f'<a href="{SHOP}/"><a href="{SHOP}/',
    ],
)
@pytest.mark.parametrize("elements", ['"a", "area"', '"a", "area", "form", "iframe"'])
def test_as_many_links_are_told_of_as_the_proxy_decorates(
    explainer: Explainer, html: str, elements: str
) -> None:
    text = _site(f"elements = [{elements}]\n")
    explainer.write("kmproxy.toml", text)
    page = explainer.page(html, "--cookie", "km_ni=ann")
    engine = Engine(Sites(load(explainer.directory / "kmproxy.toml")), lambda: 0.0, bytes)
    arrival = engine.arrive(browser_request("GET", URL(BLOG), ((b"Cookie", b"km_ni=ann"),)))
    assert arrival is not None
    rewriter = engine.depart(arrival, Response(200, b"", ((b"Content-Type", b"text/html"),))).rewriter
    assert rewriter is not None
    out = rewriter.write(html.encode()) + rewriter.finish()
    told = [link for link in page["links"] if link["becomes"] is not None]
    assert len(told) == rewriter.decorated == out.count(b"kmi=ann") + out.count(b'name="kmi"')


def test_a_late_base_is_told(explainer: Explainer) -> None:
    page = explainer.page(f'<a href="{SHOP}/"></a><base href="https://other.example/"><a href="z">')
    assert [one["why"] for one in page["decisions"]] == ["late-base"]


def test_the_page_of_a_url_that_identifies_is_the_one_behind_the_redirect(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", KM)
    page = explainer.page(f'<a href="{BLOG}/">b</a>', "--cookie", "x=1", url=f"{SHOP}/p?kmi=ann&q=1")
    assert page["url"] == f"{SHOP}/p?q=1"
    assert page["links"][0]["becomes"] == f"{BLOG}/?kmi=ann"


def test_what_becomes_of_the_link_that_was_clicked_is_told(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", KM)
    told = explainer.facts(f"{SHOP}/a?b&c#d", "--from", f"{BLOG}/post", "--cookie", f"km_ai={A}")
    [link] = told["click"]["links"]
    assert told["click"]["url"] == f"{BLOG}/post"
    assert link["becomes"] == f"{SHOP}/a?b&c&kmi=p2fvF3kGwdjQPxTO6yYKy8qocPA%3D#d"
    assert place(link["config"]) == "5: site[0].domain[0].host"
    for url, words, why in (
        (f"{SHOP}/?kmi=ann", ("--from", BLOG), "already-tagged"),
        (BLOG, ("--from", f"{BLOG}/post"), "shared-cookie-scope"),
    ):
        [link] = explainer.facts(url, *words)["click"]["links"]
        assert (link["becomes"], link["why"]) == (None, why)
    crawled = explainer.facts(SHOP, "--from", BLOG, "--header", "User-Agent: Googlebot/2.1")
    assert crawled["click"]["left_alone"]["why"] == "crawler"
    assert explainer.facts(SHOP, "--from", "https://search.example/")["click"] is None
    assert explainer.facts(SHOP)["click"] is None


def test_people_read_of_the_click_and_how_to_see_the_page(explainer: Explainer) -> None:
    text = explainer.words(f"{SHOP}/a", "--from", BLOG)
    assert f"\nclick on {BLOG}/\n  decorated with kmi=" in text
    assert "\n    [kmproxy.toml:10: site[0].domain[0].host = " in text
    assert f"\n    a: {SHOP}/a\n      -> {SHOP}/a?kmi=" in text
    assert text.endswith("say --page FILE, or --fetch to ask the upstream.\n")


@pytest.mark.parametrize(
    ("html", "words", "why"),
    [
        (b"\xff\xfe<\0a\0", (), "charset"),
        (b'<meta charset="iso-2022-jp">', (), "charset"),
        (b"<p>", ("--method", "HEAD"), "no-page"),
    ],
)
def test_why_a_whole_page_leaves_as_it_came_is_told(
    explainer: Explainer, html: bytes, words: tuple[str, ...], why: str
) -> None:
    file = explainer.write("page.html", html)
    page = explainer.facts(BLOG, "--page", file, *words)["page"]
    assert page["left_alone"]["why"] == why
    assert f"the page leaves as it came: {why}: " in explainer.words(BLOG, "--page", file, *words)


def test_a_page_for_nobody_leaves_as_it_came(explainer: Explainer) -> None:
    explainer.write("kmproxy.toml", KM + "[site.identity]\nmint = false\n")
    assert explainer.page(LINKS)["left_alone"]["why"] == "nobody"


class _Origin(BaseHTTPRequestHandler):
    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        self.asked.append(
            {"target": self.path, **{name.lower(): value for name, value in self.headers.items()}}
        )
        is_away = self.path == "/away"
        body = gzip.compress(f'<a href="{BLOG}/">b</a>'.encode())
        self.send_response(302 if is_away else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("X-KM-Identify", "bob")
        if is_away:
            self.send_header("Location", f"{BLOG}/there")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def origin(explainer: Explainer) -> Iterator[type[_Origin]]:
    handler = type("Origin", (_Origin,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    upstream = f'host = "shop.acme.example"\nupstream = "http://127.0.0.1:{server.server_port}"'
    explainer.write("kmproxy.toml", KM.replace('host = "shop.acme.example"', upstream))
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_fetched_page_is_asked_for_as_the_proxy_would_and_its_words_are_heard(
    explainer: Explainer, origin: type[_Origin]
) -> None:
    page = explainer.facts(f"{SHOP}/p?kmi=ann&q", "--fetch")["page"]
    [asked] = origin.asked
    assert (asked["target"], asked["host"], asked["x-km-identity"]) == ("/p?q", "shop.acme.example", "ann")
    assert page["source"] == "the upstream"
    assert [(one["what"], one["why"]) for one in page["decisions"]] == [("word", "named-switched")]
    assert page["links"][0]["becomes"] == f"{BLOG}/?kmi=bob"
    assert [(one["name"], one["value"]) for one in page["cookies"]] == [("km_ai", "bob"), ("km_ni", "bob")]
    assert "cookie km_ni=bob on acme.example" in explainer.words(f"{SHOP}/p?kmi=ann&q", "--fetch")


def test_a_redirect_of_the_upstream_is_a_link_too(explainer: Explainer, origin: type[_Origin]) -> None:
    page = explainer.facts(f"{SHOP}/away", "--fetch", "--cookie", "km_ni=bob")["page"]
    assert page["left_alone"]["why"] == "no-page"
    [link] = page["links"]
    assert (link["element"], link["becomes"]) == ("Location", f"{BLOG}/there?kmi=bob")
    assert MINTED not in link["becomes"]


def test_all_elements_of_a_page_are_known() -> None:
    """The watch sees what the scanner asks its elements: a way round them would be missed."""
    assert {"look", "posts"} == {name for name in vars(Elements) if not name.startswith("_")}
