"""What kmproxy logs: an error that nothing done to it accounts for is a fault."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .record import Record

_ACCOUNTED_FOR = re.compile(
    r"worker \d+ ended with status -9 and is replaced"
    r"|a tracking call can't be stored; .*"
    r"|.*/kmproxy\.toml:\d+: .*"
    r"|the configuration is wrong and changes nothing; problems: \d+"
)
"""A worker killed, Redis gone, a wrong configuration."""


def check_log(log: Path, record: Record) -> None:
    """A line of JSON is kmproxy's own word; a traceback is of what it did not catch."""
    text = log.read_text(errors="replace")
    for line in text.splitlines():
        if line.startswith("{") and not _is_accounted_for(line):
            record.fault("an error in the log", line[:3000])
    if "Traceback" in text:
        record.fault("a traceback in the log", text[text.index("Traceback") :][:3000])


def _is_accounted_for(line: str) -> bool:
    try:
        said = json.loads(line)
    except ValueError:
        return False
    is_error = said["level"] in ("error", "critical") or "where" in said
    return not is_error or bool(_ACCOUNTED_FOR.fullmatch(said["message"]))
