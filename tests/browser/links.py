"""The links of a page as Chromium has them, and what the page is without what they carry."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from browser.identity import Identity

_FIND = """
const find = root => [...root.querySelectorAll("a, area, template")]
    .flatMap(found => found.content ? find(found.content) : [found]);
"""

# Each link as it is written and as the browser would follow it.
_LINKS = """() => { FIND
    return find(document).map(link => {
        const written = link.getAttribute("href");
        if (written === null || !URL.canParse(written, document.baseURI)) return {written, host: ""};
        const url = new URL(written, document.baseURI), query = url.searchParams;
        const said = {kmi: query.getAll("kmi"), distinct_id: query.getAll("distinct_id")};
        const shown = link.getRootNode() === document;
        return {written, url: url.href, host: url.hostname, said, shown};
    });
}""".replace("FIND", _FIND)

# The document with these targets in its links' place.
_WITH_TARGETS = """targets => { FIND
    find(document).forEach((link, place) => {
        if (targets[place] !== null) link.setAttribute("href", targets[place]);
    });
    return [document.compatMode, document.characterSet, document.documentElement.outerHTML];
}""".replace("FIND", _FIND)


_CLICK = """([host, place]) => {
    const there = link => new URL(link.getAttribute("href"), document.baseURI).hostname === host;
    const link = [...document.querySelectorAll("a, area")].filter(there)[place];
    link.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}));
}"""


def assert_decorated(page: Page, visitor: Identity, other: str) -> int:
    """Every link to ``other``, and no other link, carries the visitor; how many there are."""
    links = page.evaluate(_LINKS)
    there = [link["said"] for link in links if link["host"] == other]
    elsewhere = [link["said"] for link in links if link["host"] not in (other, "")]
    assert there == [{"kmi": [visitor.km_ai], "distinct_id": [visitor.distinct_id]}] * len(there)
    assert elsewhere == [{"kmi": [], "distinct_id": []}] * len(elsewhere)
    return len(there)


def assert_same_but_for_parameters(personal: Page, plain: Page, other: str) -> None:
    """``personal`` is ``plain`` but for the parameters on the links to ``other``."""
    after, before = personal.evaluate(_LINKS), plain.evaluate(_LINKS)
    for link, original in zip(after, before, strict=True):
        if original["host"] == other:
            assert _without_parameters(link["url"]) == original["url"]
        else:
            assert link["written"] == original["written"]
    targets = [link["written"] for link in before]
    as_before: list[Any] = personal.evaluate(_WITH_TARGETS, targets)
    assert as_before == plain.evaluate(_WITH_TARGETS, targets)


def targets(page: Page, other: str) -> list[str]:
    """Where the links to ``other`` lead that somebody can click."""
    return [link["url"] for link in page.evaluate(_LINKS) if link["host"] == other and link["shown"]]


def click(page: Page, other: str, place: int) -> None:
    """Click that of the links to ``other``, seen or unseen."""
    page.evaluate(_CLICK, [other, place])


def _without_parameters(url: str) -> str:
    """The URL without the parameters, which are the last of its query."""
    start, _, rest = url.partition("kmi=")
    _, mark, fragment = rest.partition("#")
    return start[:-1] + mark + fragment
