"""Whether a page holds one of some names, in any ASCII case: faster than making all of it lower case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pydantic_core import SchemaValidator, ValidationError, core_schema

_FIRST = 1 << 14
"""Bytes of a page that are looked at first, then twice as many each time: what is found is copied."""

_NO_MATCH = "string_pattern_mismatch"


class Names:
    """Names in lower case, ready to be looked for."""

    def __init__(self, names: Sequence[bytes]) -> None:
        self._names = names
        pattern = "|".join(re.escape(name.decode()) for name in names)
        # pydantic's patterns are Rust's, which look for a few short strings several bytes at a time.
        self._any = SchemaValidator(core_schema.str_schema(pattern=f"(?i-u:{pattern})" if names else "$^."))

    def are_absent(self, page: bytes) -> bool:
        """Whether none of them is anywhere in ``page``."""
        return all(map(self._are_absent, _parts(page)))

    def _are_absent(self, part: bytes) -> bool:
        try:
            self._any.validate_python(part)
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] == _NO_MATCH:
                return True
            # It is not UTF-8.
            lower = part.lower()
            return not any(name in lower for name in self._names)
        return False


def _parts(page: bytes) -> Iterator[bytes]:
    """``page`` cut at ``<``, which is in no name and no character of several bytes."""
    start, size = 0, _FIRST
    while (end := page.find(b"<", start + size)) > 0:
        yield page[start:end]
        start, size = end, 2 * size
    yield page[start:]
