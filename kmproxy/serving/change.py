"""What a new configuration can change while the server runs."""

from __future__ import annotations

from kmproxy.config import Config
from kmproxy.errors import KmproxyError

REFUSALS = (KmproxyError, OSError, ValueError)
"""What a server raises that can't put a configuration in force."""


def why(error: Exception) -> str:
    """What may be told of one: our own sentence, of another's only the kind."""
    return str(error) if isinstance(error, KmproxyError) else type(error).__name__


def applied(old: Config, new: Config) -> tuple[Config, list[str]]:
    """``new`` with what can't change as it is in ``old``, and the names of such options that differ."""
    fixed = {"listen", "admin", "workers"}
    if bool(old.server.tls) != bool(new.server.tls):
        fixed.add("tls")
    differing = sorted(name for name in fixed if getattr(old.server, name) != getattr(new.server, name))
    server = new.server.model_copy(update={name: getattr(old.server, name) for name in differing})
    told = [f"server.{name}" for name in differing]
    if old.outbox != new.outbox:
        told.append("outbox.url")
    return new.model_copy(update={"server": server, "outbox": old.outbox}), told
