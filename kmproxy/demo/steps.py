"""The steps that ``kmproxy demo --check`` takes, in order, each with those it builds on."""

from __future__ import annotations

from functools import partial

from kmproxy.demo import bounds, crossing, naming
from kmproxy.demo.cast import Cast
from kmproxy.demo.walk import Step


def steps(cast: Cast) -> list[Step]:
    """The journey of a visitor there and back, the letter, and the bounds."""
    table = (
        ("first visit", crossing.first_visit, ()),
        ("link to the shop", crossing.link_to_shop, ("first visit",)),
        ("comment, script", crossing.untouched, ("first visit",)),
        ("every other byte", crossing.other_bytes, ("first visit",)),
        ("arrival", crossing.arrival, ("link to the shop",)),
        ("one identity", crossing.one_identity, ("arrival",)),
        ("the shop's page", crossing.shop_page, ("one identity",)),
        ("link back", crossing.link_back, ("the shop's page",)),
        ("arrival back", crossing.arrival_back, ("link back",)),
        ("letter", naming.letter, ("the shop's page",)),
        ("KISSmetrics", naming.alias, ("letter",)),
        ("Mixpanel", naming.identify, ("letter",)),
        ("the blog again", naming.name_follows, ("letter",)),
        ("second visitor", bounds.second_visitor, ("first visit",)),
        ("crawler", bounds.plain_for_crawlers, ()),
        ("no way out", bounds.no_way_out, ()),
        ("unknown host", bounds.unknown_host, ()),
    )
    return [Step(name, partial(take, cast), needs) for name, take, needs in table]
