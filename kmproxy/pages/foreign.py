"""Foreign content: whether the tokenizer is inside ``<svg>`` or ``<math>``.

There ``<style>``, ``<title>`` and ``<script>`` hold markup, not text, and CDATA sections
exist (WHATWG HTML §13.2.6.5). Only what changes that is followed: the roots, the
integration points back into HTML, and the start tags that break out.
"""

from __future__ import annotations

ROOTS = frozenset({b"svg", b"math"})
INTEGRATION_POINTS = {
    b"svg": frozenset({b"foreignobject", b"desc", b"title"}),
    b"math": frozenset({b"mi", b"mo", b"mn", b"ms", b"mtext", b"annotation-xml"}),
}
BREAKOUT = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing "
    b"menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split()
)
NAMES = ROOTS | BREAKOUT | frozenset().union(*INTEGRATION_POINTS.values()) | {b"font"}
"""Names of the tags that must be shown to ``start`` and ``end``."""


class ForeignContent:
    """The open roots and integration points, innermost last."""

    def __init__(self) -> None:
        self._open: list[bytes] = []

    @property
    def active(self) -> bool:
        """Whether the current node is a foreign element."""
        return bool(self._open) and self._open[-1] in ROOTS

    @property
    def entered(self) -> bool:
        """Whether there is any foreign element around."""
        return bool(self._open)

    def start(self, name: bytes, *, self_closing: bool, breaks_font: bool = False) -> None:
        """A start tag; ``breaks_font``: a ``font`` with color, face or size."""
        if not self.active:
            if name in ROOTS and not self_closing:
                self._open.append(name)
            return
        if name in BREAKOUT or (name == b"font" and breaks_font):
            while self.active:
                self._open.pop()
        elif (name in ROOTS or name in INTEGRATION_POINTS[self._open[-1]]) and not self_closing:
            self._open.append(name)

    def end(self, name: bytes) -> None:
        """An end tag: closes the innermost of its name and what is open inside."""
        if self.active and name in (b"p", b"br"):
            while self.active:
                self._open.pop()
        elif name in self._open:
            while self._open.pop() != name:
                pass
