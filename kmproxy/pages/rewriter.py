"""The rewriter: a page's body as the upstream sends it in, as this visitor gets it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType

from kmproxy.pages import blocks, charset, compressed
from kmproxy.pages.blocks import ChunkEncoder, Job
from kmproxy.pages.chunks import Chunk, Texts
from kmproxy.pages.codings import CodingError, Decoder, Encoder, Plain, decoder, encoder
from kmproxy.pages.scan import PageScan
from kmproxy.pages.scanner import LATE_BASE
from kmproxy.pages.templates import Key, Template, Templates, Waiting, undated

MAX_WHOLE = 1 << 18
"""Bytes of an encoded body that are waited for, so that it may be known whole."""


class PageRewriter:
    """Decodes, scans, fills, encodes; all as streams.

    ``texts`` go into the slots. A compressed body that comes without a pause is first looked
    for whole among the templates. A body that turns out not to be in its ``coding`` before
    anything was let out leaves as it came; one that breaks later can't be mended and raises.
    ``length`` is the body's as far as it was announced, in bytes. ``made`` is the coding it leaves in,
    if that is another one.
    """

    # How every page begins: a page seen before changes next to nothing of it.
    left_alone = ""
    """Why the page was let by as it came, if it was."""
    was_known = False
    """Whether a template was filled, once the page is through."""
    decorated = 0
    """Links decorated, once the page is through."""
    skipped: Mapping[str, int] = MappingProxyType({})
    """Links left alone, by reason, once the page is through."""

    _raw: list[bytes] | None
    """What came in before anything was let out; None from then on."""
    _waiting: Waiting | None = None
    """What of a body that is waited for is held back meanwhile."""
    _chunks: list[Chunk] | None = None
    _first = b""
    """The first decoded bytes, until enough have come to judge the page by."""
    _passing = False
    _jobs: tuple[Job, ...] = ()

    def __init__(
        self,
        coding: bytes,
        new_scan: Callable[[], PageScan],
        texts: Texts,
        templates: Templates,
        page: str,
        length: int = 0,
        made: bytes = b"",
    ) -> None:
        self._coding = coding
        self._made = made or coding
        self._new_scan = new_scan
        self._texts = texts
        self._templates = templates
        self._page = page
        self._raw = []
        self._waits = self._made in compressed.CODINGS and length <= MAX_WHOLE
        """Whether the body is waited for, for it may be known whole."""

    @cached_property
    def _scan(self) -> PageScan:
        """A page seen before needs none."""
        return self._new_scan()

    @cached_property
    def _decoder(self) -> Decoder:
        return decoder(self._coding)

    @cached_property
    def _encoder(self) -> ChunkEncoder:
        return blocks.encoder(self._made)

    @cached_property
    def _bypass(self) -> Encoder:
        """What a page goes through that is let by."""
        return Plain() if self._made == self._coding else encoder(self._made)

    @property
    def jobs(self) -> Sequence[Job]:
        """What would make the next page cheaper; not for the path of a request."""
        return [*self._encoder.jobs, *self._jobs] if "_encoder" in self.__dict__ else self._jobs

    @property
    def at_once(self) -> int:
        """Bytes that ``write`` does within a few milliseconds; decoded they may be ten times as many."""
        if self._waits or self._passing:
            return MAX_WHOLE
        return 1 << 17 if self._coding in (b"", b"identity") else 1 << 14

    def write(self, data: bytes) -> bytes:
        """What leaves at once. Raises CodingError once the body can't be what it claimed."""
        if self._passing:
            return self._bypass.write(data)
        if self._raw is not None:
            self._raw.append(data)
        if not self._waits:
            return self._decode(data)
        self._waiting = self._waiting or Waiting(self._templates.patience)
        return b"" if self._waiting.grow(len(data)) <= MAX_WHOLE else self._go_on()

    def whole(self, body: bytes) -> bytes:
        """``write`` and ``finish`` in one, for a body that is here whole."""
        if not self._waits:
            return self.write(body) + self.finish()
        self._raw = [body]
        return self._known(body)

    def flush(self) -> bytes:
        """What else is decided by now, for a body that pauses."""
        out = self._go_on() if self._waits else b""
        undecided = self._raw is not None and not self._passing
        if undecided and self._first and self._first not in charset.HALF_MARKS:
            out += self._begin()
        if self._passing:
            return out + self._bypass.flush()
        if self._raw is not None:
            return out
        return out + self._encoded(self._scan.flush()) + self._encoder.flush()

    def finish(self) -> bytes:
        """The rest. Raises CodingError where the body was cut short: it must not look whole."""
        if self._passing or (self._raw is not None and not any(self._raw)):
            return self._bypass.finish()
        return self._known(b"".join(self._raw or ())) if self._waits else self._finish()

    def _known(self, body: bytes) -> bytes:
        """What becomes of a whole body: what it became before, if it is one of those."""
        whole = undated(self._coding, body)
        key = Key(self._page, self._coding, self._made, len(self._texts.query), whole)
        template = self._templates.get(key)
        if template is None:
            return self._first_sight(key, body)
        self.was_known = True
        self.decorated, self.skipped = template.decorated, template.skipped
        return template.compressed.fill(self._texts.query) if template.compressed else body

    def salvage(self) -> bytes:
        """What is held back, for a body that breaks off; it does not end the encoded stream.

        To be let out before the connection is cut, after ``write`` or ``finish`` raised, or
        where the upstream went away.
        """
        if self._passing:
            return self._bypass.flush()
        if self._raw is not None:
            return self._give_up("broken-off") + self._bypass.flush()
        return self._encoded(self._scan.finish()) + self._encoder.flush()

    def _go_on(self) -> bytes:
        """The body is not waited for any longer."""
        self._waits, self._waiting = False, None
        return self._decode(b"".join(self._raw or ()))

    def _first_sight(self, key: Key, body: bytes) -> bytes:
        """A whole body without a template: made as any other, and remembered."""
        self._waits, self._waiting, self._chunks = False, None, []
        try:
            plain = self._decoder.write(body) + self._decoder.finish()
        except CodingError:
            # Nothing has left yet: let it be as broken as it was.
            return self._give_up("wrong-coding")
        if self._made == self._coding and self._scan.leads_nowhere(plain):
            self._templates.put(key, Template(None, 0, {}))
            return body
        self._first = plain
        out = self._begin()
        if self.left_alone:
            return out + self._bypass.finish()
        out += self._end()
        if LATE_BASE in self.skipped:
            self._scan, self._chunks = self._scan.again(), []
            del self._encoder
            out = self._fill(plain) + self._end()
        if not self.decorated and self._made == self._coding:
            self._templates.put(key, Template(None, 0, self.skipped))
            return body
        self._remember(key)
        return out

    def _remember(self, key: Key) -> None:
        """Have a template made of a body seen before."""
        chunks = self._chunks or []
        if self._templates.seen_before(key) and not any(chunk.kinds for chunk in chunks):
            self._jobs = (partial(_build, self._templates, key, chunks, self.skipped),)

    def _decode(self, data: bytes) -> bytes:
        try:
            plain = self._decoder.write(data)
        except CodingError:
            return self._give_up("wrong-coding")
        if self._raw is None:
            return self._fill(plain)
        self._first += plain
        return self._begin() if len(self._first) >= charset.PRESCAN else b""

    def _begin(self) -> bytes:
        """Judge the page by its first bytes, and let them by or through."""
        declared = charset.declared_in_meta(self._first)
        if charset.begins_in_utf16(self._first) or not charset.is_spliceable(declared):
            return self._give_up("charset")
        first, self._first, self._raw = self._first, b"", None
        return self._fill(first)

    def _finish(self) -> bytes:
        try:
            rest = self._decoder.finish()
        except CodingError:
            return self._give_up("wrong-coding")
        out = b""
        if self._raw is not None:
            self._first, rest = self._first + rest, b""
            out = self._begin()
        return out + self._bypass.finish() if self._passing else out + self._fill(rest) + self._end()

    def _end(self) -> bytes:
        out = self._encoded(self._scan.finish()) + self._encoder.finish()
        self.decorated, self.skipped = self._scan.decorated, self._scan.skipped
        return out

    def _fill(self, plain: bytes) -> bytes:
        return self._encoded(self._scan.feed(plain)) + self._encoder.rest() if plain else b""

    def _encoded(self, chunks: list[Chunk]) -> bytes:
        if self._chunks is not None:
            self._chunks += chunks
        return b"".join([self._encoder.write(chunk, self._texts) for chunk in chunks])

    def _give_up(self, reason: str) -> bytes:
        if self._raw is None:
            raise CodingError("the body breaks off")
        self._passing = True
        self.left_alone = reason
        return self._bypass.write(b"".join(self._raw))


def _build(templates: Templates, key: Key, chunks: list[Chunk], skipped: Mapping[str, int]) -> None:
    pieces = [b""]
    for chunk in chunks:
        pieces[-1] += chunk.pieces[0]
        pieces += chunk.pieces[1:]
    made = compressed.build(pieces, key.length, key.made)
    if made is not None:
        templates.put(key, Template(made, len(pieces) - 1, skipped))
