"""The acquaintance: the visitor as each provider knows it, and how that is said on a page."""

from __future__ import annotations

from functools import cached_property
from html import escape
from typing import NamedTuple

from kmproxy.identity.provider import Provider
from kmproxy.identity.visitor import Visitor
from kmproxy.links.query import encode
from kmproxy.messages import Headers

IDENTITY_HEADERS = frozenset({b"x-km-identity", b"x-km-anonymous-id"})
"""Request headers that tell the upstream who the visitor is; nobody else may set them."""


class Seen(NamedTuple):
    """The visitor as one provider knows it."""

    provider: Provider
    visitor: Visitor


class Acquaintance(tuple[Seen, ...]):
    """As all do who may follow the visitor. What is said of it is made once for all of a page's requests."""

    def knowing(self, provider: Provider, visitor: Visitor) -> Acquaintance:
        """The same with ``visitor`` for one of the providers."""
        return Acquaintance(Seen(p, visitor if p is provider else before) for p, before in self)

    @cached_property
    def is_known(self) -> bool:
        """Whether any provider has an identity for the visitor."""
        return bool(self._said)

    @cached_property
    def is_new_to_some(self) -> bool:
        """Whether any provider has no identity for the visitor."""
        return len(self._said) < len(self)

    @cached_property
    def query(self) -> bytes:
        """The visitor's parameters as they stand on a link, ``&`` between them."""
        return "&".join(self._pairs).encode()

    @cached_property
    def query_in_html(self) -> bytes:
        """The same within an attribute's value, ``&amp;`` between them."""
        return "&amp;".join(self._pairs).encode()

    @cached_property
    def inputs(self) -> bytes:
        """The same as a form sends them along by GET (HTML §4.10.21.3)."""
        inputs = [
            f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in self._said
        ]
        return "".join(inputs).encode()

    @cached_property
    def claims(self) -> Headers:
        """What tells the upstream who the visitor is: by whoever knows best."""
        for _, visitor in self:
            if visitor.identity:
                return _claims(visitor)
        return ()

    @property
    def _pairs(self) -> list[str]:
        return [f"{name}={encode(value)}" for name, value in self._said]

    @property
    def _said(self) -> list[tuple[str, str]]:
        """The parameters' names and values, as they are."""
        return [(provider.parameter, visitor.identity) for provider, visitor in self if visitor.identity]


def _claims(visitor: Visitor) -> Headers:
    identity = (b"X-KM-Identity", (visitor.identity or "").encode())
    if not visitor.anonymous:
        return (identity,)
    return (identity, (b"X-KM-Anonymous-ID", visitor.anonymous.encode()))
