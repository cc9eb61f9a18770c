"""What visitors look at."""

from __future__ import annotations

from . import site
from .judge import UNAVAILABLE
from .visitor import Visitor


async def see_page(visitor: Visitor, host: str) -> None:
    number = visitor.luck.randrange(site.PAGES)
    answer = await visitor.browser.get(host, f"/page/{number}")
    if answer.whole and answer.status == 200 and visitor.record.timing:
        visitor.record.took.append(answer.ended - answer.begun)
    if visitor.check_page("page", host, answer, number):
        for copies in (visitor.copies, visitor.world.copies):
            copies.keep(host, number, answer, visitor.browser.jars[host].query("&"))


async def see_again(visitor: Visitor, host: str) -> None:
    """A page of which there is a copy: the visitor's own, or that of whoever came last."""
    copies = visitor.luck.choice((visitor.copies, visitor.world.copies))
    if not copies:
        return await see_page(visitor, host)
    (host, number), copy = visitor.luck.choice([*copies.items()])
    answer = await visitor.browser.get(host, f"/page/{number}", **{"If-None-Match": copy.tag})
    if copy.whose != visitor.browser.jars[host].query("&"):
        visitor.check_page("page of which somebody else has a copy", host, answer, number)
    elif visitor.judge.is_good("page not modified", host, answer, 304) and answer.header("etag") != copy.tag:
        visitor.record.fault("another copy's entity tag", f"{answer.header('etag')}, not {copy.tag}")
    return None


async def see_own(visitor: Visitor, host: str) -> None:
    """One that is made for this visitor."""
    number = visitor.luck.randrange(site.PAGES)
    answer = await visitor.browser.get(host, f"/own/{number}")
    visitor.check_page("unique page", host, answer, number, own=True)


async def see_slow(visitor: Visitor, host: str) -> None:
    number = visitor.luck.randrange(site.PAGES)
    answer = await visitor.browser.get(host, f"/slow/{number}")
    visitor.check_page("slow page", host, answer, number, own=True)


async def see_cut(visitor: Visitor, host: str) -> None:
    """One that the upstream never sends to the end."""
    answer = await visitor.browser.get(host, f"/cut/{visitor.luck.randrange(site.PAGES)}")
    if answer.whole and answer.status not in UNAVAILABLE:
        visitor.record.fault("a truncated page told as whole", f"{visitor.name} {host} {answer.status}")
    visitor.judge.strangers(host, answer, visitor.browser.jars[host])
    visitor.record.done("page that the upstream cut")


async def see_asset(visitor: Visitor, host: str) -> None:
    number = visitor.luck.randrange(site.ASSETS)
    answer = await visitor.browser.get(host, f"/asset/{number}", "image/*")
    if visitor.judge.is_good("asset", host, answer) and answer.body != site.asset(number):
        visitor.record.fault("another asset's bytes", f"{visitor.name} {host} /asset/{number}")
