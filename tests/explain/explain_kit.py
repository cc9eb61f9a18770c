"""``kmproxy explain`` on a configuration of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from kmproxy.cli import app

CONFIG = """\
[outbox]
url = "sqlite:outbox.db"

[[site]]
name = "acme"
kissmetrics = { api_key = "key" }
mixpanel = { token = "tok" }

  [[site.domain]]
  host = "shop.acme.example"
  upstream = "http://127.0.0.1:9"

  [[site.domain]]
  host = "www.acme-blog.example"

  [[site.domain]]
  host = "help.acme.example"

[[site]]
name = "rival"
kissmetrics = { api_key = "key2" }

  [[site.domain]]
  host = "www.rival.example"
"""
"""Two sites; what stands on which line matters to the tests."""

KM = """\
[[site]]
name = "acme"
kissmetrics = { api_key = "key" }
[[site.domain]]
host = "shop.acme.example"
[[site.domain]]
host = "www.acme-blog.example"
"""
"""One site of KISSmetrics, to which tables may be added from line 8 on."""

SHOP = "https://shop.acme.example"
BLOG = "https://www.acme-blog.example"
A = "p2fvF3kGwdjQPxTO6yYKy8qocPA="
K = "rAy2wPD+HQeNkxP4eQNAIzMi/7s="
K_ENCODED = "rAy2wPD%2BHQeNkxP4eQNAIzMi%2F7s%3D"
MINTED = "AAECAwQFBgcICQoLDA0ODxAREhM="


class Explainer:
    """Runs the command in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write("kmproxy.toml", CONFIG)

    def write(self, name: str, content: str | bytes) -> str:
        """A file; its path."""
        file = self.directory / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(file)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["explain", *words, "-c", str(self.directory / "kmproxy.toml")])

    def words(self, *words: str) -> str:
        """What people read."""
        done = self.run(*words)
        assert done.exit_code == 0, done.output
        return done.stdout.replace(f"{self.directory}/", "")

    def facts(self, *words: str) -> dict[str, Any]:
        """What machines read."""
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def page(self, html: str, *words: str, url: str = BLOG) -> dict[str, Any]:
        """What becomes of a page."""
        return dict(self.facts(url, "--page", self.write("page.html", html), *words)["page"])


def place(config: dict[str, Any] | None) -> str:
    """``file:line: site[0]…`` or ``site[0]… (default)``."""
    assert config is not None
    line = config["line"]
    return f"{line}: {config['place']}" if line else f"{config['place']} (default)"


def decided(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["what"], one["provider"], one["why"]) for one in told["decisions"]]
