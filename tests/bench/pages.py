"""The pages: real ones of the corpus, some of whose links lead to the other domain; or made-up ones."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "pages"

SIZES = {"12k": (12_000, 10), "100k": (100_000, 50), "1m": (1_000_000, 200)}
"""About how many bytes a page has, and at least how many links to the other domain."""

LINK = b'href="https://shop.example/'
"""How every link to the other domain begins: sub_filter can look for a fixed string only."""

# Links where every contestant sees them: not in comments, scripts and other raw text.
_LINKS = re.compile(
    rb"<!--.*?-->|<(script|style|noscript|textarea|title|svg|iframe)\b.*?</\1\s*>"
    rb"|(?P<tag><a\b[^>]*?\s)href=\"https?://(?P<host>[^/\"?#]+)/?(?P<rest>[^\"]*\")",
    re.IGNORECASE | re.DOTALL,
)
_CONTROLS = bytes(range(1, 9))


@dataclass(frozen=True)
class Page:
    """A page with ``links`` links to the other domain, and the same page with none."""

    size: str
    source: str
    html: bytes
    original: bytes
    links: int


def corpus() -> list[tuple[str, bytes]]:
    """Every page of the corpus by its name, without the control characters that mark unique spots."""
    return [
        (path.name, path.read_bytes().translate(None, _CONTROLS)) for path in sorted(CORPUS.glob("*.html"))
    ]


def load() -> list[Page]:
    """One page for each size."""
    found = corpus()
    return [_page(size, length, links, found) for size, (length, links) in SIZES.items()]


def _page(size: str, length: int, links: int, found: list[tuple[str, bytes]]) -> Page:
    suitable = [(name, html) for name, html in found if _count(html) >= links and b"shop.example" not in html]
    if not suitable:
        suitable = [("made up", made_up(length))]
    name, html = min(suitable, key=lambda item: abs(math.log(len(item[1]) / length)))
    linked = _linked(html, links)
    return Page(size, name, linked, html, linked.count(LINK))


def _anchors(html: bytes) -> Iterator[re.Match[bytes]]:
    return (match for match in _LINKS.finditer(html) if match["host"])


def _count(html: bytes) -> int:
    return sum(1 for _ in _anchors(html))


def _linked(html: bytes, wanted: int) -> bytes:
    """``html`` with its most linked-to hosts made the other domain, as many as ``wanted`` links take."""
    chosen: set[bytes] = set()
    count = 0
    for host, links in Counter(match["host"] for match in _anchors(html)).most_common():
        if count < wanted:
            chosen.add(host)
            count += links
    return _LINKS.sub(lambda m: m["tag"] + LINK + m["rest"] if m["host"] in chosen else m[0], html)


_WORDS = [
    *("analytics", "people", "visit", "domain", "report", "account", "price", "service", "delivery"),
    *("garden", "window", "morning", "letter", "question", "market", "summer", "number", "history"),
    *("island", "machine", "paper", "river", "station", "theatre", "weather", "journey", "kitchen"),
]


def made_up(length: int) -> bytes:
    """A page of about ``length`` bytes, the same every time."""
    luck = random.Random(length)
    parts = ["<!DOCTYPE html>\n<html><head><meta charset=utf-8><title>Made up</title></head>\n<body>\n"]
    size = 0
    while size < length:
        parts.append(_paragraph(luck))
        size += len(parts[-1])
    return "".join([*parts, "</body></html>\n"]).encode()


def _paragraph(luck: random.Random) -> str:
    words = " ".join(luck.choices(_WORDS, k=60))
    url = f"https://site{luck.randrange(8)}.test/{luck.choice(_WORDS)}/{luck.randrange(10**6)}"
    return (
        f'<div class="item" id="i{luck.randrange(10**6)}"><h3>{luck.choice(_WORDS).title()}</h3>\n'
        f'<p>{words} <a class="more" href="{url}">{luck.choice(_WORDS)}</a>.</p></div>\n'
    )
