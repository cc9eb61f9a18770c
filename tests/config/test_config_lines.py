"""The lines of a TOML text: rows for each notation, then any document, against tomllib."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from kmproxy.config.lines import lines
from kmproxy.config.places import Place, every_place

ROWS: list[tuple[str, str, dict[Place, int]]] = [
    ("a key", "\n\na = 1", {("a",): 3}),
    ("a comment", "# b = 1 [x]\na = 1 # c = 2\nb = 2", {("a",): 2, ("b",): 3}),
    ("a dotted key", "\na . b.c = 1", {("a",): 2, ("a", "b"): 2, ("a", "b", "c"): 2}),
    ("quoted keys", "\"a.b\".'c = d' = 1", {("a.b",): 1, ("a.b", "c = d"): 1}),
    ("an escaped key", r'"\u0061\"]" = 1', {('a"]',): 1}),
    ("an empty key", '\n"" = 1', {("",): 2}),
    ("a table", "\n[a]\nb = 1", {("a",): 2, ("a", "b"): 3}),
    ("a table in a table", "[ a . b ] # x\n\nc = 1", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 3}),
    ("a table named later", "[a.b]\n[a]\nc = 1", {("a",): 1, ("a", "b"): 1, ("a", "c"): 3}),
    (
        "tables in a list",
        "[[a]]\n[[a]]\nb = 1",
        {("a",): 1, ("a", 0): 1, ("a", 1): 2, ("a", 1, "b"): 3},
    ),
    (
        "lists of tables in lists of tables",
        "[[a]]\n[[a.b]]\n[[a.b]]\nc = 1\n[[a]]\n[[a.b]]\n[a.d]",
        {
            ("a",): 1,
            ("a", 0): 1,
            ("a", 0, "b"): 2,
            ("a", 0, "b", 0): 2,
            ("a", 0, "b", 1): 3,
            ("a", 0, "b", 1, "c"): 4,
            ("a", 1): 5,
            ("a", 1, "b"): 6,
            ("a", 1, "b", 0): 6,
            ("a", 1, "d"): 7,
        },
    ),
    (
        "an array over several lines",
        "a = [ # [\n  1,\n\n  '],', # ]\n  [\n2] ]\nb = 1",
        {("a",): 1, ("a", 0): 2, ("a", 1): 4, ("a", 2): 5, ("a", 2, 0): 6, ("b",): 7},
    ),
    (
        "an inline table",
        "a = { b = 1, c.d = [\n2 ] }\ne = {}",
        {("a",): 1, ("a", "b"): 1, ("a", "c"): 1, ("a", "c", "d"): 1, ("a", "c", "d", 0): 2, ("e",): 3},
    ),
    ("a long text", 'a = """\nb = 1\n[c]\\""""\n\nd = 1', {("a",): 1, ("d",): 5}),
    (
        "quotes at the end of a long text",
        'a = """x"""""\nb = """"""\nc = 1',
        {("a",): 1, ("b",): 2, ("c",): 3},
    ),
    ("a long literal text", "a = '''\n\\'''''\nb = ''\nc = 1", {("a",): 1, ("b",): 3, ("c",): 4}),
    ("a short text", r'a = "\"#" # "' + "\nb = ''\nc = 1", {("a",): 1, ("b",): 2, ("c",): 3}),
    (
        "a date with a space",
        "a = [1979-05-27 07:32:00,\n2]\nb = 1",
        {("a",): 1, ("a", 0): 1, ("a", 1): 2, ("b",): 3},
    ),
    ("Windows line ends", "a = 1\r\n# x\r\nb = '''\r\n'''\r\nc = 1\r\n", {("a",): 1, ("b",): 3, ("c",): 5}),
]


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row[1:], id=row[0]) for row in ROWS])
def test_each_notation_has_its_line(text: str, expected: dict[Place, int]) -> None:
    tomllib.loads(text)

    assert lines(text) == {(): 1, **expected}


def test_the_places_come_in_the_order_of_the_text() -> None:
    assert list(lines("b = [2]\na = 1\n[[c]]\n")) == [(), ("b",), ("b", 0), ("a",), ("c",), ("c", 0)]


# Each "@" becomes a number of its own, so that the line of a value can be told from the text alone.
BLANKS = st.sampled_from(["", " ", "\n", " # ]}=\"'\n", "\n\n  # [x]\n"])
DECOYS = st.sampled_from(
    [
        '"a = \\" # ["',
        "'\\'",
        '"""\n[x]\n\\"""" ""\n"""""',
        "'''\nk = 1\n'''''",
        "1979-05-27 07:32:00",
        "-1.5e3",
        "true",
        '""',
    ]
)
KEYS = st.sampled_from(["k@", '"k.@\\n"', "'k#@'", "k@.a-b", "k@ . 'x = y'"])


def _array(items: list[str], blank: str) -> str:
    return f"[{blank}{f'{blank},{blank}'.join(items)}{blank}]"


def _inline(keys: list[str], values: list[str]) -> str:
    pairs = (f"{key} = {value}" for key, value in zip(keys, values, strict=False))
    return "{ " + ", ".join(pairs) + " }"


VALUES = st.recursive(
    st.just("@") | DECOYS,
    lambda inner: (
        st.builds(_array, st.lists(inner, max_size=3), BLANKS)
        | st.builds(_inline, st.lists(KEYS, max_size=3), st.lists(inner, max_size=3))
    ),
    max_leaves=6,
)
HEADERS = st.sampled_from(["[t@]", "[[s]]", "[[s.d]]", "[s.l@]", "[[ s . 'd' . e ]]", "[s.d.f@]", '["t@".u]'])
STATEMENTS = st.builds("{} = {}".format, KEYS, VALUES) | HEADERS


@st.composite
def documents(draw: st.DrawFn) -> str:
    statements = draw(st.lists(st.tuples(STATEMENTS, BLANKS), max_size=8))
    text = "".join(f"{statement}{blank}\n" for statement, blank in statements)
    numbers = iter(range(1000, 9999))
    return re.sub("@", lambda _: str(next(numbers)), text)


@settings(deadline=None)  # a machine that is busy is no failure
@given(documents())
def test_in_any_document_every_key_is_found_on_its_line(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        reject()
    found = lines(text)

    assert set(found) == set(every_place(data))
    rows = text.split("\n")
    assert all(str(mark) in rows[found[place] - 1] for place, mark in _marks(data))


def _marks(data: object) -> list[tuple[Place, str]]:
    """The number that must stand on the line of a place: in its last key, or as the value of a list item."""
    marks = []
    for place in every_place(data):
        number = re.search("[0-9]{4}", place[-1]) if place and isinstance(place[-1], str) else None
        value = _at(data, place)
        if number:
            marks.append((place, number[0]))
        elif isinstance(value, int) and not isinstance(value, bool):
            marks.append((place, str(value)))
    return marks


def _at(data: object, place: Place) -> object:
    for key in place:
        data = data[key]  # type: ignore[index]
    return data
