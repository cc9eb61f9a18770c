"""The error log: a line of JSON for each thing that went wrong, on standard error.

No identity may get there by way of another's words: of an exception only its kind and where it was raised
are told, of a message that is not ours only the sentence without what was put into it.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """``{"time": …, "level": …, "process": …, "logger": …, "message": …}``, and ``error`` and ``where``."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": os.getpid(),
            "logger": record.name,
            "message": _message(record),
        }
        kind, error, _ = record.exc_info or (None, None, None)
        if kind and error:
            frames = traceback.extract_tb(error.__traceback__)
            said |= {
                "error": kind.__name__,
                "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            }
        return json.dumps(said, ensure_ascii=False)


def set_up() -> None:
    """Everything that is logged in this process goes to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _message(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] == "kmproxy":
        return record.getMessage()
    return str(record.msg).partition("\n")[0]
