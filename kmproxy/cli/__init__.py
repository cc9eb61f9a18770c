"""The command line."""

from __future__ import annotations

from kmproxy.cli.main import app

__all__ = ["app"]
