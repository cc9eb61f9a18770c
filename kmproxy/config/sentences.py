"""What pydantic finds wrong, in sentences that say what to write."""

from __future__ import annotations

import difflib
import json
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kmproxy.config.model import Config, Table
from kmproxy.config.places import Finding, Place, as_written

_SENTENCES = {
    "string_type": 'must be a text in quotes, as in "…"',
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "float_type": "must be a number, as in 5.0",
    "float_parsing": "must be a number, as in 5.0",
    "int_type": "must be a whole number, as in 4",
    "int_parsing": "must be a whole number, as in 4",
    "int_from_float": "must be a whole number, as in 4",
    "greater_than_equal": "must be at least {ge:g}",
    "finite_number": "must be a finite number, as in 5.0",
    "greater_than": "must be greater than {gt:g}",
    "value_error": "{error}",
}


def findings(error: ValidationError, data: object) -> list[Finding]:
    """Every error of ``Config.model_validate(data)``, at the place as it is written in the data."""
    return [
        (as_written(data, detail["loc"]), _sentence(detail))
        for detail in error.errors(include_url=False)
        # pydantic calls a list empty in which no item is valid.
        if detail["type"] != "too_short" or not detail["input"]
    ]


def _sentence(detail: ErrorDetails) -> str:
    tell = {
        "missing": _missing,
        "too_short": _missing,
        "extra_forbidden": _unknown_key,
        "literal_error": _wrong_choice,
        "tuple_type": _no_list,
        "model_type": _no_table,
    }.get(detail["type"])
    if tell:
        return tell(detail)
    sentence = _SENTENCES.get(detail["type"], detail["msg"].replace("Input should be", "must be"))
    return sentence.format(**detail.get("ctx", {})) if detail["type"] in _SENTENCES else sentence


def _missing(detail: ErrorDetails) -> str:
    place = detail["loc"]
    if _is_list_of_tables(place):
        return f"missing; write at least one {_header(place)} table"
    return f'missing; write {place[-1]} = "…"'


def _unknown_key(detail: ErrorDetails) -> str:
    *table, key = detail["loc"]
    known = list(_table(tuple(table)).model_fields)
    near = difflib.get_close_matches(str(key).lower(), known, n=1)
    return (
        f'unknown key; did you mean "{near[0]}"?'
        if near
        else f"unknown key; known ones are {', '.join(known)}"
    )


def _wrong_choice(detail: ErrorDetails) -> str:
    choices = detail["ctx"]["expected"].replace("'", '"')
    return f"must be {choices}, not {json.dumps(detail['input'], ensure_ascii=False, default=str)}"


def _no_list(detail: ErrorDetails) -> str:
    if _is_list_of_tables(detail["loc"]):
        return f"must be a list of tables; write {_header(detail['loc'])} in double brackets"
    value = detail["input"] if isinstance(detail["input"], str) else "…"
    return f'must be a list, as in ["{value}"]'


def _no_table(detail: ErrorDetails) -> str:
    place = detail["loc"]
    needed = [name for name, field in _table(place).model_fields.items() if field.is_required()]
    if not needed or isinstance(place[-1], int):
        return f"must be a table; write {_header(place)} and its keys below it"
    pairs = ", ".join(f'{name} = "…"' for name in needed)
    return f"must be a table; write {place[-1]} = {{ {pairs} }}"


def _header(place: Place) -> str:
    name = ".".join(key for key in place if isinstance(key, str))
    return f"[[{name}]]" if isinstance(place[-1], int) or _is_list_of_tables(place) else f"[{name}]"


def _is_list_of_tables(place: Place) -> bool:
    annotation = _annotation(place)
    return get_origin(annotation) is tuple and _table_in(annotation) is not None


def _table(place: Place) -> type[Table]:
    return _table_in(_annotation(place)) or Config


def _annotation(place: Place) -> Any:
    """The type of the value at a place, for a place whose tables are all known."""
    annotation: Any = Config
    for key in place:
        if isinstance(key, str):
            annotation = _table_in(annotation).model_fields[key].annotation  # type: ignore[union-attr]
    return annotation


def _table_in(annotation: Any) -> type[Table] | None:
    """The table of ``Links``, ``Mixpanel | None`` or ``tuple[Site, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next(filter(None, map(_table_in, get_args(annotation))), None)
