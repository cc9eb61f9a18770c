"""A message's fields, found by their names."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kmproxy import names as remembered
from kmproxy.messages import Headers, first, names, pick, tokens, values, without

_NAMES = [b"A", b"a", b"B-C", b"b-c", b"D", b"E"]

headers = st.lists(st.tuples(st.sampled_from(_NAMES), st.binary(max_size=3)), max_size=8).map(tuple)
sets = st.frozensets(st.sampled_from([b"a", b"b-c", b"d", b"e", b"x"]))


@given(headers, sets, st.sampled_from([b"a", b"b-c", b"d", b"x"]))
@settings(max_examples=500, deadline=None)
def test_fields_are_found_in_any_spelling_and_left_in_their_order(
    came: Headers, some: frozenset[bytes], name: bytes
) -> None:
    for _ in range(2):  # what is remembered is what was found
        found = [value for said, value in came if said.lower() == name]
        assert values(came, name) == found
        assert first(came, name) == (found[0] if found else b"")
        assert pick(came, some) == tuple(field for field in came if field[0].lower() in some)
        assert names(came).holds(some) is any(field[0].lower() in some for field in came)
        left = without(came, some)
        assert left == tuple(field for field in came if field[0].lower() not in some)
        assert (left is came) is not names(came).holds(some) or not came
        assert list(names(left).places) == list(dict.fromkeys(said.lower() for said, _ in left))
        assert without(left, frozenset({name})) == tuple(f for f in left if f[0].lower() != name)


def test_messages_of_the_same_names_share_what_is_known_of_them_and_others_do_not() -> None:
    one = names(((b"A", b"1"), (b"B", b"2")))
    assert one is names(((b"A", b"3"), (b"B", b"4")))
    assert one is not names(((b"B", b"1"), (b"A", b"2")))
    assert one is not names(((b"a", b"1"), (b"B", b"2")))


def test_names_that_nobody_says_twice_do_not_pile_up() -> None:
    for number in range(5000):
        names(((b"X-%d" % number, b""),)).holds(frozenset({b"x"}))
    names(((b"X" * 100_000, b""),))
    one = names(((b"A", b""),))
    for number in range(500):
        one.rest(frozenset({b"%d" % number}))
        one.pick(frozenset({b"%d" % number}))
    assert len(remembered._all) <= 1024
    assert sum(len(name) for sent in remembered._all for name in sent) < 100_000
    assert len(one._rests) + len(one._picks) <= 128


def test_a_lists_elements_come_in_lower_case_from_all_its_lines() -> None:
    came = ((b"Connection", b"Keep-Alive, ,X-A"), (b"connection", b" TE "))
    assert tokens(came, b"connection") == [b"keep-alive", b"x-a", b"te"]
    assert tokens(came, b"upgrade") == []
