"""Reads the configuration, and says everything that is wrong with it at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kmproxy.config import certificates, check, sentences
from kmproxy.config.environment import expand
from kmproxy.config.lines import lines
from kmproxy.config.model import Config
from kmproxy.config.places import Finding, Place, dotted, every_place, nearest
from kmproxy.errors import ConfigError, Problem

Source = str | os.PathLike[str] | Mapping[str, Any] | Config

DEFAULT_PATHS = ("./kmproxy.toml", "/etc/kmproxy/kmproxy.toml")

_SYNTAX = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)


def load(source: Source | None = None) -> Config:
    """The configuration of a file, of a mapping of the same shape, or of the first of ``DEFAULT_PATHS``.

    ``${NAME}`` in any string value is the environment variable; ``$${`` is a plain ``${``. A ``Config`` is
    returned as it is. Raises ConfigError with every problem, in the order of the file.
    """
    if isinstance(source, Config):
        return source
    if isinstance(source, Mapping):
        return _checked(source, "config", dict.fromkeys(every_place(source), 0))
    return locate(source)[0]


def locate(path: str | os.PathLike[str] | None = None) -> tuple[Config, str, dict[Place, int]]:
    """``load`` of a file, with its name and the line on which each of its tables, keys and items stands."""
    name, content = _found() if path is None else (os.fspath(path), _content(path))
    text = _decoded(name, content)
    data = _parsed(name, text)
    known = lines(text)
    return _checked(data, name, known), name, known


def _found() -> tuple[str, bytes]:
    for path in DEFAULT_PATHS:
        if os.access(path, os.F_OK):
            return str(Path(path)), _content(path)
    neither = " nor ".join(DEFAULT_PATHS)
    raise _refusal("config", f"there is neither {neither}; write one of them, or name another file")


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _refusal(os.fspath(path), f"can't be read: {error.strerror}") from error


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _refusal(name, "not UTF-8; save the file in that encoding", line) from error


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise _refusal(name, *_syntax_error(str(error), text)) from error


def _syntax_error(message: str, text: str) -> tuple[str, int]:
    """What tomllib says, with the line taken out of it."""
    found = _SYNTAX.fullmatch(message)
    if found is None or found["line"] is None:
        return f"not valid TOML: {found['what'] if found else message}", len(text.splitlines()) or 1
    hint = '; a text stands in quotes, as in "…"' if found["what"] == "Invalid value" else ""
    return f"not valid TOML at column {found['column']}: {found['what']}{hint}", int(found["line"])


def _refusal(name: str, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Problem(name, line, "", message)])


def _checked(raw: Mapping[str, Any], name: str, known: dict[Place, int]) -> Config:
    unset: list[Finding] = []
    data = expand(raw, unset)
    config, wrong = _validated(data)
    wrong += check.findings(data)
    if config is not None:
        wrong += certificates.findings(config)
    unreadable = {place for place, _ in unset}
    found = unset + [finding for finding in wrong if finding[0] not in unreadable]
    if config is None or found:
        raise ConfigError(_problems(found, name, known))
    return config


def _validated(data: dict[str, Any]) -> tuple[Config | None, list[Finding]]:
    try:
        return Config.model_validate(data), []
    except ValidationError as error:
        return None, sentences.findings(error, data)


def _problems(found: list[Finding], name: str, known: dict[Place, int]) -> list[Problem]:
    """In the order of the file; what is missing comes with the table it should stand in."""
    order = {place: index for index, place in enumerate(known)}
    found = sorted(found, key=lambda finding: order[nearest(order, finding[0])])
    return [Problem(name, known[nearest(known, place)], dotted(place), message) for place, message in found]
