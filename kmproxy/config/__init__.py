"""What may be said in the configuration file, and what is wrong with it."""

from __future__ import annotations

from kmproxy.config.model import Config

__all__ = ["Config"]
