"""``kmproxy explain``: what would happen to a request and to a page's links, and why.

The real engine decides; nothing is stored, and nothing is sent but, if asked for, a request to an
upstream. The clock stands still and the randomness is fixed, so that the same question gets the
same answer.
"""

from __future__ import annotations

from kmproxy.explain.facts import Explanation
from kmproxy.explain.question import Question, ask
from kmproxy.explain.run import explain
from kmproxy.explain.settings import Settings

__all__ = ["Explanation", "Question", "Settings", "ask", "explain"]
