"""The configuration as an explanation refers to it: each value with the line it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kmproxy.config import Config
from kmproxy.config.places import Place, dotted
from kmproxy.explain.facts import Reference
from kmproxy.identity.provider import Provider
from kmproxy.site import Domain, Site, Sites


class Settings:
    """A configuration, the sites made of it, and where in its file what stands."""

    def __init__(self, config: Config, file: str, lines: Mapping[Place, int]) -> None:
        self.config = config
        self.sites = Sites(config)
        self._file = file
        self._lines = lines

    def of_site(self, site: Site, *keys: str) -> Reference:
        """A value of ``[[site]]`` or of one of its tables."""
        return self._reference(("site", self.sites.all.index(site), *keys))

    def of_domain(self, domain: Domain) -> Reference:
        """The domain's ``host``."""
        site = domain.site
        at = self.sites.all.index(site), site.domains.index(domain)
        return self._reference(("site", at[0], "domain", at[1], "host"))

    def of_scope(self, site: Site, provider: Provider) -> Reference | None:
        """What the provider's cookie scope depends on, if the configuration has a say in it."""
        settled = provider.name != "kissmetrics"
        return None if settled else self.of_site(site, "identity", "cookie_domain")

    def of_refusal(self, site: Site, reason: str) -> Reference | None:
        """What leaves the visitor alone for ``reason``."""
        if reason in ("gpc", "dnt"):
            return self.of_site(site, "consent", "respect")
        return self.of_site(site, "consent", "cookie", "pattern") if reason == "consent-cookie" else None

    def _reference(self, place: Place) -> Reference:
        return Reference(dotted(place), self._value(place), self._file, self._lines.get(place, 0))

    def _value(self, place: Place) -> Any:
        value: Any = self.config
        for key in place:
            value = value[key] if isinstance(key, int) else getattr(value, key)
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
