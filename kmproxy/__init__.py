"""kmproxy keeps one visitor one person across several domains."""

from __future__ import annotations

from kmproxy.config import Config

__all__ = ["Config", "__version__"]

__version__ = "0.1.0"
