"""The garbage collector, told that a server is up."""

from __future__ import annotations

import gc

_THRESHOLDS = (10_000, 20, 50)
"""A request makes some hundred containers and leaves none behind: 700 would be reached every few requests."""


def settle() -> None:
    """Look no more at what a start has made and will stay, and less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
