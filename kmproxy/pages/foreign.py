"""Foreign content: whether the tokenizer is inside ``<svg>`` or ``<math>``.

There ``<style>``, ``<title>`` and ``<script>`` hold markup, not text, and CDATA sections
exist (WHATWG HTML §13.2.6.5). Only what changes that is followed: the roots, the
integration points back into HTML, and the start tags that break out.
"""

from __future__ import annotations

from kmproxy.pages.syntax import Attributes

ROOTS = frozenset({b"svg", b"math"})
INTEGRATION_POINTS = {
    b"svg": frozenset({b"foreignobject", b"desc", b"title"}),
    b"math": frozenset({b"mi", b"mo", b"mn", b"ms", b"mtext", b"annotation-xml"}),
}
BREAKOUT = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing "
    b"menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split()
)
_DEEPEST = 64
"""What is nested deeper isn't followed: end tags would cost the square of a page's length."""
_FONT = frozenset({b"color", b"face", b"size"})
_PAGES = frozenset({b"text/html", b"application/xhtml+xml"})
HTML_ONLY = BREAKOUT | frozenset(
    b"address article aside button caption details fieldset figcaption figure footer form header html label "
    b"main nav option section select summary tbody td tfoot th thead tr".split()
)
"""Elements whose end tag in foreign content is one around it, which ends with them."""
NAMES = ROOTS | HTML_ONLY | frozenset().union(*INTEGRATION_POINTS.values()) | {b"a", b"font"}
"""Names of the tags that must be shown to ``start`` and ``end``."""


class ForeignContent:
    """The open roots and integration points, innermost last."""

    def __init__(self, state: tuple[tuple[tuple[bytes, bytes], ...], int] = ((), 0)) -> None:
        self._open = list(state[0])
        """Their names, and whose content is in them: a root's, or ``b""`` for HTML."""
        self._links = state[1]
        """Foreign ``<a>`` that are open, for there may be one around, too."""

    @property
    def state(self) -> tuple[tuple[tuple[bytes, bytes], ...], int]:
        """What to begin another one with, to go on from here."""
        return tuple(self._open), self._links

    @property
    def active(self) -> bool:
        """Whether the current node is a foreign element."""
        return bool(self._open) and self._open[-1][1] != b""

    @property
    def entered(self) -> bool:
        """Whether there is any foreign element around."""
        return bool(self._open)

    def start(self, name: bytes, attributes: Attributes, *, self_closing: bool) -> None:
        """A start tag."""
        if self.active and (name in BREAKOUT or (name == b"font" and not _FONT.isdisjoint(attributes))):
            self._leave()
        elif self_closing:
            return
        elif name in ROOTS:
            # <svg> in MathML is MathML's, and the reverse.
            self._push(name, self._open[-1][1] if self.active else name)
        elif self.active and self._leads_back(name, attributes):
            self._push(name, b"")
        elif self.active and name == b"a":
            self._links += 1

    def end(self, name: bytes) -> None:
        """An end tag: closes the innermost of its name and what is open inside."""
        if self.active and name == b"a" and self._links:
            self._links -= 1
        elif self.active and (name == b"a" or name in HTML_ONLY):
            self._leave()
        elif any(name == opened for opened, _ in self._open):
            self._links = 0
            while self._open.pop()[0] != name:
                pass

    def _leave(self) -> None:
        """Back to the innermost HTML."""
        self._links = 0
        while self.active:
            self._open.pop()

    def _push(self, name: bytes, content: bytes) -> None:
        if len(self._open) < _DEEPEST:
            self._open.append((name, content))

    def _leads_back(self, name: bytes, attributes: Attributes) -> bool:
        """Whether an element is a way back into HTML (§13.2.6)."""
        if name not in INTEGRATION_POINTS[self._open[-1][1]]:
            return False
        return name != b"annotation-xml" or attributes.get(b"encoding", (b"", 0))[0].lower() in _PAGES
