"""What may be said in the configuration file, and what is wrong with it.

``load`` reads a file or a mapping and returns a ``Config``, or raises ``ConfigError`` with every
problem at once; ``locate`` also tells on which line of the file what stands. ``schema`` gives the
JSON Schema of the file, for editors. The options themselves, with their defaults, are the classes of
``model.py``; ``config/kmproxy.toml`` shows them all.
"""

from __future__ import annotations

from kmproxy.config.load import load, locate
from kmproxy.config.model import Config
from kmproxy.config.schema import schema

__all__ = ["Config", "load", "locate", "schema"]
