"""The cases: what is asked for, and what must come back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .pages import Page

ANONYMOUS = "y75FdbLQWFVHRTbZQNtCVlaHCr0%3D"
HOST = "blog.example"

_UUID = "18d2f6a1-7c1e-4b0a-9a59-5b1f4f6f2c11"
_MIXPANEL = f"%7B%22distinct_id%22%3A%22%24device%3A{_UUID}%22%2C%22%24device_id%22%3A%22{_UUID}%22%7D"

_PAGE = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-User": "?1",
    "Upgrade-Insecure-Requests": "1",
}
_ASSET = {
    "Accept": "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "Sec-Fetch-Dest": "image",
    "Sec-Fetch-Mode": "no-cors",
    "Sec-Fetch-Site": "same-origin",
}


def browser(port: int, *, asset: bool = False) -> dict[str, str]:
    """The headers that a known visitor's Firefox sends."""
    return {
        "Host": f"{HOST}:{port}",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
        "Accept-Encoding": "gzip",
        "Cookie": f"km_ai={ANONYMOUS}; mp_token_mixpanel={_MIXPANEL}; theme=dark",
        **(_ASSET if asset else _PAGE),
    }


@dataclass(frozen=True)
class Kind:
    """A kind of case; ``path`` has a place for the size."""

    name: str
    title: str
    path: str
    gzip: bool = True
    links: bool = True
    unique: bool = False
    """No two answers are the same."""
    sizes: tuple[str, ...] = ()
    """The only ones it is measured at; all, if there are none."""

    @property
    def asset(self) -> bool:
        return self.name == "asset"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("seen", "page seen before, upstream gzip", "/gz/page-{}.html"),
        Kind("seen-plain", "page seen before, upstream not compressed", "/plain/page-{}.html", gzip=False),
        Kind("spots", "three unique spots, upstream gzip", "/gz/spots-{}.html", unique=True),
        Kind(
            "spots-plain",
            "three unique spots, upstream not compressed",
            "/plain/spots-{}.html",
            gzip=False,
            unique=True,
        ),
        Kind("new", "page never seen, upstream gzip", "/gz/new-{}.html", unique=True),
        Kind(
            "new-plain",
            "page never seen, upstream not compressed",
            "/plain/new-{}.html",
            gzip=False,
            unique=True,
        ),
        Kind(
            "no-link",
            "HTML without a link to another domain, upstream gzip",
            "/gz/original-{}.html",
            links=False,
        ),
        Kind("asset", "asset (JPEG)", "/plain/asset-{}.jpg", gzip=False, links=False),
        Kind(
            "middleware",
            "page seen before, made by an app that has kmproxy's middleware, or not",
            "/plain/page-{}.html",
            gzip=False,
            sizes=("100k",),
        ),
    )
}


@dataclass(frozen=True)
class Case:
    """A kind, at a size. ``links`` are those that must be decorated."""

    kind: Kind
    size: str
    links: int

    @property
    def name(self) -> str:
        return f"{self.kind.name}-{self.size}"

    @property
    def path(self) -> str:
        return self.kind.path.format(self.size)

    @property
    def connections(self) -> int:
        """Few, where one request takes long: those under way when time is up count for nothing."""
        return 4 if self.size == "1m" else 8


def cases(pages: Iterable[Page], sizes: Collection[str]) -> list[Case]:
    """Every kind at each of ``sizes``."""
    chosen = [page for page in pages if page.size in sizes]
    return [
        Case(kind, page.size, page.links if kind.links else 0)
        for kind in KINDS.values()
        for page in chosen
        if page.size in (kind.sizes or sizes)
    ]
