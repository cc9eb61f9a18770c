"""kmproxy keeps one visitor one person across several domains."""

from __future__ import annotations

from kmproxy.config import Config
from kmproxy.current import CurrentVisitor, link, visitor
from kmproxy.version import __version__

__all__ = ["Config", "CurrentVisitor", "__version__", "link", "visitor"]
