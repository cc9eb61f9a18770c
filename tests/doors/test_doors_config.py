"""A middleware takes a file's path, a mapping, a Config or nothing, and refuses what is wrong as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doors_engine import Kept
from doors_kit import BLOG, SHOP

import kmproxy
from kmproxy import aiohttp, asgi, wsgi
from kmproxy.config.load import Source
from kmproxy.errors import ConfigError

TEXT = f"""
[[site]]
name = "acme"
kissmetrics = {{ api_key = "key" }}
domain = [{{ host = "{SHOP}" }}, {{ host = "{BLOG}" }}]
"""
MAPPING = {
    "site": [
        {
            "name": "acme",
            "kissmetrics": {"api_key": "key"},
            "domain": [{"host": SHOP}, {"host": BLOG}],
        }
    ]
}
MAKERS: list[Callable[[Source | None], Any]] = [
    lambda config: asgi.KmproxyMiddleware(_app, config),
    lambda config: wsgi.KmproxyMiddleware(_app, config),
    aiohttp.middleware,
]
every_middleware = pytest.mark.parametrize("make", MAKERS, ids=["asgi", "wsgi", "aiohttp"])


def _app(*asked: Any) -> Any:
    raise AssertionError("nobody asks")


@pytest.fixture
def hosts(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts of the doors that are made; a file with two of them is in the working directory."""
    found = list[str]()
    sites = kmproxy.site.Sites

    def watched(config: kmproxy.Config, *more: Any) -> Any:
        found.extend(domain.host for site in config.site for domain in site.domain)
        return sites(config, *more)

    monkeypatch.setattr("kmproxy.door.Sites", watched)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kmproxy.toml").write_text(TEXT)
    return found


@every_middleware
@pytest.mark.parametrize(
    "source",
    ["kmproxy.toml", Path("kmproxy.toml"), MAPPING, kmproxy.Config.model_validate(MAPPING), None],
    ids=["name", "path", "mapping", "config", "default"],
)
def test_a_middleware_is_made_of_any_source_and_no_domain_needs_an_upstream(
    make: Callable[[Source | None], Any], source: Source | None, hosts: list[str]
) -> None:
    make(source)
    assert hosts == [SHOP, BLOG]


@every_middleware
def test_a_wrong_config_is_refused_with_all_that_is_wrong(make: Callable[[Source | None], Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        make({"site": [{**MAPPING["site"][0], "nmae": "x", "links": {"mode": "sideways"}}]})
    assert len(refused.value.problems) == 2
