"""Every pair's server, started once; one stand-in for the vendors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import vendors
from browser.vendors import KEY, Vendors

from frameworks.asking import HOST, OTHER
from frameworks.served import PAIRS, Pair, Served

_CONFIG = """\
[outbox]
url = "sqlite:{folder}/outbox.db"

[[site]]
name = "acme"
kissmetrics = {{ api_key = "{key}", endpoint = "{vendors}/kissmetrics" }}

  [[site.form]]
  path = "/join"
  event = "Joined"
"""

_DOMAIN = """
  [[site.domain]]
  host = "{host}"
"""


@pytest.fixture(scope="package")
def calls() -> Iterator[Vendors]:
    """What the vendors were sent."""
    with vendors.running() as stand_in:
        yield stand_in


def configuration(folder: Path, calls: Vendors, *hosts: str) -> Path:
    """The file: domains of one site, none of which has an upstream."""
    file = folder / "kmproxy.toml"
    text = _CONFIG.format(folder=folder, key=KEY, vendors=calls.url)
    file.write_text(text + "".join(_DOMAIN.format(host=host) for host in hosts))
    return file


@pytest.fixture(scope="package", params=PAIRS, ids=lambda pair: pair.name)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, calls: Vendors
) -> Iterator[Served]:
    """The pair's server; it must end well and have had no fault."""
    pair: Pair = request.param
    folder = tmp_path_factory.mktemp(pair.name)
    config = configuration(folder, calls, HOST, OTHER)
    environment = {"KMPROXY_CONFIG": str(config), "OTHER": OTHER, "GATE": str(folder / "gate")}
    server = Served(pair, folder, environment)
    yield server
    server.end()
    assert "Traceback" not in server.log, server.log
    assert "outbox" not in server.log, server.log
