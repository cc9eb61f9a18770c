"""The WHATWG tokenizer's tags as regular expressions (HTML §13.2.5), none of which backtracks.

Every repetition is possessive, so time is linear in the input. A tag matches only when it
is whole: an attribute whose value has not ended yet makes the match fail, never end early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPACE = rb"[\t\n\f\r ]"


def _all(body: bytes) -> bytes:
    """``body`` as often as it matches, and never given back.

    Python before 3.11.3 leaves its place within a last, failed attempt (CPython gh-100061); an
    alternative that always fails brings it back, for each begins where the attempt began.
    """
    return rb"(?:" + body + rb"|(?!))*+"


_NAME = rb"[A-Za-z][^\t\n\f\r />]*+"
# §13.2.5.32 to 39. A name may begin with "="; a value may be missing before ">".
_ATTRIBUTE = (
    rb"[\t\n\f\r /]*+[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rb"(?:" + _SPACE + rb"*+=" + _SPACE + rb"*+"
    rb"(?:\"[^\"]*+\"|'[^']*+'|[^\t\n\f\r >\"'][^\t\n\f\r >]*+|(?=>))"
    rb"|(?!" + _SPACE + rb"*+=))"
)
_REST_OF_TAG = _all(_ATTRIBUTE) + rb"[\t\n\f\r /]*+>"

TAG = re.compile(rb"<(/?)(" + _NAME + rb")(" + _all(_ATTRIBUTE) + rb")([\t\n\f\r /]*+)>")
"""A whole tag: slash, name, attributes, what stands before ``>``."""

ATTRIBUTE = re.compile(
    rb"[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    rb"(?:" + _SPACE + rb"*+=" + _SPACE + rb"*+"
    rb"(?:\"([^\"]*+)\"|'([^']*+)'|([^\t\n\f\r >\"'][^\t\n\f\r >]*+)|\Z))?"
)
"""One attribute of a whole tag: name, then the value in one of three groups."""

Attributes = dict[bytes, tuple[bytes, int]]
"""Lower-case names to raw values and their places."""

NOWHERE = -1
"""The place of a value that isn't written: nothing can be put into it."""

COMMENT_END = re.compile(rb"--!?>")
CDATA_END = re.compile(rb"\]\]>")
BOGUS_END = re.compile(rb">")
SCRIPT_MARK = re.compile(rb"<!--|-->|</?script(?=[\t\n\f\r />])", re.IGNORECASE)

RAW_TEXT = frozenset(b"style xmp iframe noembed noframes noscript title textarea".split())
"""Elements whose content is text up to their own end tag (noscript: as with scripts on)."""


def skipper(names: Iterable[bytes]) -> re.Pattern[bytes]:
    """Matches text and whole tags up to the next thing that matters: a tag of ``names``, any
    ``<!``, ``<?`` or ``</`` without a name, or a tag that is not whole yet."""
    watched = b"|".join(sorted(names))
    unwatched = rb"</?(?!(?:" + watched + rb")[\t\n\f\r />])(?=[A-Za-z])" + _NAME + _REST_OF_TAG
    return re.compile(_all(rb"[^<]++|<(?=[^A-Za-z/!?])|" + unwatched), re.IGNORECASE)


def raw_text_end(name: bytes) -> re.Pattern[bytes]:
    """The end tag that closes a raw text element (an "appropriate end tag token")."""
    return re.compile(rb"</" + re.escape(name) + rb"(?=[\t\n\f\r />])", re.IGNORECASE)


def attributes(raw: bytes, offset: int) -> Attributes:
    """The attributes in ``raw``: a tag from behind its name to its ``>``. Places get ``offset`` added.

    Of duplicates the first counts (§13.2.5.33).
    """
    found: Attributes = {}
    for match in ATTRIBUTE.finditer(raw):
        group = match.lastindex or 1
        value = (match[group], offset + match.start(group)) if group > 1 else (b"", NOWHERE)
        found.setdefault(match[1].lower(), value)
    return found
