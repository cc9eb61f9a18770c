"""The whole of kmproxy under load and fault: ``python -m tests.soak``."""

from __future__ import annotations

import sys
from pathlib import Path

# The vendor that fails, the arrivals it must be told of, and a Redis to kill are those of the outbox's tests;
# its certificates those of the proxy's; the peers, and what a page is, are those of the benchmark.
_TESTS = Path(__file__).parents[1]
sys.path += [str(_TESTS), str(_TESTS / "outbox"), str(_TESTS / "proxy")]
