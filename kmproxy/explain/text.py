"""An explanation in words, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby

from kmproxy.explain.facts import (
    Call,
    Cookie,
    Decision,
    Explanation,
    Known,
    Link,
    Page,
    Reference,
)
from kmproxy.identity.visitor import Visitor


def lines(told: Explanation) -> Iterator[str]:
    """For people."""
    yield f"{told.method} {told.url}"
    yield f"  site {told.site.value}, domain {told.domain.value}"
    yield from _config(told.domain, 4)
    yield from _upstreams(told)
    yield from _section("visitor", (line for known in told.visitor for line in _known(known)))
    yield from _section("decided", (line for decision in told.decisions for line in _decision(decision)))
    yield from _section("done", _done(told))
    if told.click is not None:
        yield from _section(f"click on {told.click.url}", _page(told.click))
    if told.page is not None:
        yield from _section(f"page {told.page.url} (from {told.page.source})", _page(told.page))
    elif told.answer is None:
        yield from ("", "The page's links: say --page FILE, or --fetch to ask the upstream.")


def _section(title: str, content: Iterable[str]) -> Iterator[str]:
    if lines := list(content):
        yield from ("", title, *(f"  {line}" for line in lines))


def _config(config: Reference | None, indent: int = 2) -> Iterator[str]:
    if config is not None:
        yield f"{' ' * indent}[{config}]"


def _upstreams(told: Explanation) -> Iterator[str]:
    if told.upstreams:
        yield f"  upstream {', '.join(told.upstreams)}"
    else:
        yield "  no upstream: linked to, not served here by `kmproxy serve`"


def _known(known: Known) -> Iterator[str]:
    before, after = _who(known.before), _who(known.after)
    yield f"{known.provider}: {before}" + (f" -> {after}" if after != before else "")
    reach = f"{known.scope} and all below it"
    scope = reach if known.scope else "this host alone (browsers refuse its parent)"
    yield f"  cookie on {scope}"
    yield from _config(known.config)


def _who(visitor: Visitor) -> str:
    said = {"named": visitor.named, "anonymous": visitor.anonymous}
    return ", ".join(f"{kind} {identity}" for kind, identity in said.items() if identity) or "nobody"


def _decision(decision: Decision) -> Iterator[str]:
    about = " ".join(filter(None, (decision.provider, decision.what)))
    yield f"{about}: {decision.why}: {decision.words}"
    yield from _config(decision.config)


def _done(told: Explanation) -> Iterator[str]:
    yield from map(_cookie, told.cookies)
    for call in told.calls:
        yield from _call(call)
    if told.answer is not None:
        to = f" to {told.answer.location}" if told.answer.location else ""
        yield f"answered with {told.answer.status}{to}"
        yield from _config(told.answer.config)
    else:
        yield f"passed on as {told.method} {told.target}"


def _cookie(cookie: Cookie) -> str:
    scope = cookie.scope or "this host alone"
    if cookie.max_age == 0:
        return f"cookie {cookie.name} deleted on {scope}"
    when = ", with a page only" if cookie.only_with_page else ""
    return f"cookie {cookie.name}={cookie.value} on {scope}, for {cookie.max_age // 86400} days{when}"


def _call(call: Call) -> Iterator[str]:
    yield f"tracking call to {call.provider} for {call.person}: {call.method} {call.endpoint}"
    for name, value in call.says.items():
        yield f"  {name} = {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def _page(page: Page) -> Iterator[str]:
    for decision in page.decisions:
        yield from _decision(decision)
    yield from map(_cookie, page.cookies)
    for call in page.calls:
        yield from _call(call)
    if page.left_alone is not None:
        yield f"the page leaves as it came: {page.left_alone.why}: {page.left_alone.words}"
        yield from _config(page.left_alone.config)
    for group in _alike(link for link in page.links if link.becomes is not None):
        yield f"decorated with {page.parameters}: {len(group)}"
        yield from _config(group[0].config)
        for link in group:
            yield f"  {_where(link)}{link.url}"
            yield f"    -> {link.becomes}" + (f" ({link.words})" if link.words else "")
    for group in _alike(link for link in page.links if link.becomes is None):
        yield f"left alone: {len(group)}: {group[0].why}: {group[0].words}"
        yield from _config(group[0].config)
        for link in group:
            yield f"  {_where(link)}{link.url}"
    if not page.links and page.left_alone is None:
        yield "there is no link in it that could be decorated"


def _alike(links: Iterable[Link]) -> list[list[Link]]:
    """Links that have the same reason, in the order of the page."""

    def reason(link: Link) -> tuple[str, str, str]:
        return link.why, link.words, str(link.config or "")

    return [list(alike) for _, alike in groupby(sorted(links, key=reason), reason)]


def _where(link: Link) -> str:
    return f"line {link.line}, <{link.element}>: " if link.line else f"{link.element}: "
