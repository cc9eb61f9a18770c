"""The JSON Schema of the configuration file, for editors and other programs."""

from __future__ import annotations

from typing import Any

from kmproxy.config.model import Config


def schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) whose descriptions are the docstrings of ``model.py``."""
    found = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "kmproxy"}
