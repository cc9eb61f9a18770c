"""The WHATWG tokenizer's tags as regular expressions (HTML §13.2.5), none of which backtracks.

Every repetition is possessive, so time is linear in the input. A tag matches only when it
is whole: an attribute whose value has not ended yet makes the match fail, never end early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

_SPACE = rb"[\t\n\f\r ]"


def _all(body: bytes) -> bytes:
    """``body`` as often as it matches, and never given back.

    Python before 3.11.3 leaves its place within a last, failed attempt (CPython gh-100061); an
    alternative that always fails brings it back, for each begins where the attempt began.
    """
    return rb"(?:" + body + rb"|(?!))*+"


def any_case(name: bytes) -> bytes:
    """A pattern for ASCII ``name`` in either case; faster than ignoring the case of a whole pattern."""
    letters = (bytes([byte]) for byte in name)
    return b"".join(b"[%b%b]" % (c.lower(), c.upper()) if c.isalpha() else re.escape(c) for c in letters)


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

RAW_TEXT = frozenset(b"style xmp iframe noembed noframes noscript title textarea".split())
"""Elements whose content is text up to their own end tag (noscript: as with scripts on)."""


_SCRIPT = any_case(b"script") + rb"(?=[\t\n\f\r />])"
SCRIPT_MARKS = {
    b"plain": re.compile(rb"<(?:!--|/" + _SCRIPT + rb")"),
    b"escaped": re.compile(rb"<(?:!--|/?" + _SCRIPT + rb")|-->"),
    b"double": re.compile(rb"<(?:!--|/" + _SCRIPT + rb")|-->"),
}
"""What may lead from one of the states of script data to another (§13.2.5.4, 13.2.5.15 to 31)."""

# The way most attributes are written, before the way all may be.
_QUICK = _all(rb" [A-Za-z_:.-]++=\"[^\"]*+\"")
_REST_OF_START_TAG = _QUICK + rb"(?:>|" + _REST_OF_TAG + rb")"
_PLAIN_END_TAG = rb"[A-Za-z][A-Za-z0-9]*+>"


def _none_of(names: frozenset[bytes]) -> bytes:
    by_initial: dict[bytes, list[bytes]] = {}
    for name in sorted(names):
        by_initial.setdefault(name[:1], []).append(any_case(name[1:]))
    # Most names are told by their first letter, each of which is looked at once.
    watched = b"|".join(any_case(one) + b"(?:%b)" % b"|".join(rest) for one, rest in by_initial.items())
    return rb"(?!(?:" + watched + rb")[\t\n\f\r />])" if names else b""


@cache
def start_of(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """What the start of a link in one of the elements ``names`` looks like, wherever it stands."""
    others = b"|".join(any_case(name) for name in sorted(names - {b"meta"})) or rb"(?!)"
    refresh = rb"|" + any_case(b"meta") + rb"[^<>]*?" + any_case(b"refresh") if b"meta" in names else b""
    return re.compile(rb"<(?:(?:" + others + rb")[\t\n\f\r />]" + refresh + rb")")


@cache
def skipper(starts: frozenset[bytes], ends: frozenset[bytes], harmless: bytes = b"") -> re.Pattern[bytes]:
    """Matches text and whole tags up to the next thing that matters.

    That is a start tag of ``starts`` unless it matches the pattern ``harmless``, an end tag of
    ``ends``, any ``<!``, ``<?`` or ``</`` without a name, or a tag that is not whole yet.
    """
    end_tag = rb"</" + _none_of(ends)
    # All begin alike, which spares the engine trying each of them from there.
    ways = [
        end_tag + _PLAIN_END_TAG,
        rb"<" + _none_of(starts) + _NAME + _REST_OF_START_TAG,
        *([harmless] if harmless else []),
        end_tag + _NAME + _REST_OF_TAG,
        rb"<(?=[^A-Za-z/!?])",
    ]
    text = rb"[^<]*+"
    return re.compile(text + _all(rb"(?:" + rb"|".join(ways) + rb")" + text))


def _whole_element(name: bytes, stop: bytes = b"") -> bytes:
    """A raw text element from tag to tag; ``stop`` is what must not be in it for it to be that simple."""
    start, end = rb"<" + any_case(name), rb"/" + any_case(name)
    text = _all(rb"[^<]++|<(?!" + stop + end + rb"[\t\n\f\r />])")
    return start + rb"(?=[\t\n\f\r />])" + _REST_OF_START_TAG + text + rb"<" + end + rb"[\t\n\f\r ]*+>"


# What the end of a comment may look like: §13.2.5.43 to 51.
_COMMENT = rb"<!--(?!-?>)" + _all(rb"[^-]++|-(?!-!?>)") + rb"--!?>"

_DRAWN = rb"|".join(
    any_case(name)
    for name in (
        *(b"path", b"g", b"use", b"rect", b"circle", b"ellipse", b"line", b"polygon", b"polyline", b"defs"),
        *(b"stop", b"lineargradient", b"radialgradient", b"clippath", b"mask", b"symbol", b"filter"),
        *(b"text", b"tspan", b"image", b"pattern", b"marker", b"style"),
    )
)
"""Elements of SVG that are no way out of it, and hold no HTML."""

# Drawings without a link, HTML or text to be read as anything else.
_DRAWING = (
    rb"<[sS][vV][gG](?=[\t\n\f\r >])(?![^>]*+(?<=/)>)"
    + _REST_OF_START_TAG
    + _all(
        rb"[^<]++|</?(?:"
        + _DRAWN
        + rb")(?=[\t\n\f\r />])"
        + _REST_OF_START_TAG
        + b"".join(rb"|<%b%b>[^<]*+</%b>" % (name, _QUICK, name) for name in (b"title", b"desc"))
        + rb"|"
        + _COMMENT
    )
    + rb"</[sS][vV][gG][\t\n\f\r ]*+>"
)

HARMLESS = rb"|".join(
    [
        _COMMENT,
        rb"<![A-Za-z][^>]*+>",
        # Whole scripts without the comments that may hide their end.
        _whole_element(b"script", rb"!--|"),
        *(_whole_element(name) for name in (b"style", b"title", b"noscript", b"textarea")),
        _DRAWING,
        rb"<[mM][eE][tT][aA](?=[\t\n\f\r />])"
        + _all(rb"(?![\t\n\f\r /]*+[hH][tT][tT][pP]-)" + _ATTRIBUTE)
        + rb"[\t\n\f\r /]*+>",
    ]
)
"""What is common in HTML, simple and whole, and holds no link."""


def _other_attribute(*names: bytes) -> bytes:
    """An attribute with none of ``names``, written plainly; the space before it included."""
    return (
        rb"[\t\n\f\r ]++(?!(?:" + rb"|".join(map(any_case, names)) + rb")[\t\n\f\r =/>])[^\t\n\f\r />=]++"
        rb"(?:=(?:\"[^\"]*+\"|'[^']*+'|[^\t\n\f\r >\"'=][^\t\n\f\r >]*+)|(?=[\t\n\f\r >]))"
    )


PLAIN_LINK = re.compile(
    rb"<[aA](?=[\t\n\f\r ])"
    + _all(_other_attribute(b"href", b"data-kmproxy"))
    + rb"[\t\n\f\r ]++[hH][rR][eE][fF]=(?:\"([^\"]*+)\"|'([^']*+)')"
    + _all(_other_attribute(b"data-kmproxy"))
    + rb"[\t\n\f\r ]*+>"
)
"""A whole ``<a>`` as nearly all are written; its ``href`` is one of the groups."""


def harmless_links(hosts: Iterable[bytes]) -> bytes:
    """A pattern for ``<a>`` tags, written plainly, whose ``href`` leads to none of ``hosts``.

    Each host is a pattern itself. The base URL must lead to none of them either.
    """
    value = rb"|".join(b"%b(?:%b)%b" % (quote, _harmless_url(quote, hosts), quote) for quote in (b'"', b"'"))
    attribute = rb"[\t\n\f\r ]++[hH][rR][eE][fF]=(?:" + value + rb")|" + _other_attribute(b"href")
    return rb"<[aA](?=[\t\n\f\r ])" + _all(attribute) + rb"[\t\n\f\r ]*+>"


def _harmless_url(quote: bytes, hosts: Iterable[bytes]) -> bytes:
    """A URL no browser reads as leading to ``hosts``: nothing escaped, dropped or odd before its path."""
    rest = rb"[^" + quote + rb"]*+"
    ours = rb"(?!(?:" + rb"|".join(hosts) + rb")\.?[:/?#\\" + quote + rb"])"
    after_host = rb"(?::[0-9]*+)?(?=[/?#" + quote + rb"])"
    return rb"|".join(
        [
            rb"[#?]" + rest,
            rb"/(?![/\\&\t\n\r])" + rest,
            rb"(?:[hH][tT][tT][pP][sS]?:)?//" + ours + rb"[A-Za-z0-9.-]++" + after_host + rest,
            rb"[A-Za-z0-9_.~%-]++(?=[/?#" + quote + rb"])" + rest,
            rb"(?:mailto|javascript|tel):" + rest,
        ]
    )


@cache
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
