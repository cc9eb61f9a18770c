"""What a visitor does, one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from . import crossings, pages, posts, site, streams
from .visitor import Visitor

_HABITS: dict[Callable[[Visitor, str], Awaitable[None]], float] = {
    pages.see_page: 32,
    pages.see_again: 8,
    pages.see_own: 13,
    pages.see_slow: 4,
    pages.see_cut: 1,
    pages.see_asset: 27,
    crossings.leave: 4,
    crossings.arrive: 4,
    posts.upload: 2,
    posts.submit: 1,
    streams.listen: 2,
    streams.talk: 2,
}
"""In percent."""


async def live(visitor: Visitor) -> None:
    """Until all is over."""
    luck, world = visitor.luck, visitor.world
    await asyncio.sleep(luck.random() * 2 * world.pace)
    while not world.over.is_set():
        do = luck.choices([*_HABITS], [*_HABITS.values()])[0]
        await do(visitor, luck.choice((site.BLOG, site.SHOP)))
        await asyncio.sleep(luck.expovariate(1 / world.pace))
    visitor.browser.close()
