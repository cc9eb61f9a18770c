"""Submitting: what a tracked form does, as the vendors' ``trackSubmit``, but for when.

The library records before the form is sent. Here that is done with the answer, and only if that is no
error: a mistyped name that the app refuses would else be the visitor's for good, since a form never
names anybody anew. What the app itself says goes first, for it knows best who the visitor is.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmproxy.acquaintance import Seen
from kmproxy.forms.form import Filled, Form
from kmproxy.forms.origin import is_cross_site, is_from_page
from kmproxy.forms.submission import Submission, opened
from kmproxy.hearing import hear
from kmproxy.identity.provider import Randomness
from kmproxy.identity.word import Word
from kmproxy.links.decorate import Skip
from kmproxy.visit import Arrival, Note

# The address is another, and the browser asks once more there: that request tells.
_SENT_ON = frozenset({301, 307, 308})


def begin(arrival: Arrival) -> Arrival:
    """``arrival`` with the submission of the tracked form that it is, if it is one."""
    request = arrival.request
    form = arrival.domain.site.forms.find(request.method, arrival.target)
    asked, query = arrival.asked, arrival.target.partition(b"?")[2]
    by_get = request.method == "GET"
    if form is None or (by_get and not (query and asked.is_navigation and not asked.is_prefetch)):
        return arrival
    if asked.refusal:
        return _noted(arrival, "rejected", asked.refusal)
    if _is_foreign(arrival, by_get=by_get):
        return _noted(arrival, "form", "not-from-a-page" if by_get else "cross-site")
    return arrival._replace(form=_asked(form, query) if by_get else opened(form, request.headers))


def finish(before: Arrival, said: Arrival, status: int, now: float, randomness: Randomness) -> Arrival:
    """``said`` with what the form that was answered with ``status`` makes of the visitor.

    ``before`` is the arrival as the app got it, ``said`` after what the app said.
    """
    if said.form is None:
        return said
    filled = _unanswered(status) or said.form.filled()
    if isinstance(filled, str):
        return _noted(said, "form", filled)
    said = hear(said, _words(said.form.form, filled, (*before.seen, *said.seen)), now, randomness)
    notes = [Note("rejected", "", reason) for reason in filled.rejected]
    return _noted(said._replace(notes=(*said.notes, *notes)), "form", "recorded")


def _words(form: Form, filled: Filled, seen: Iterable[Seen]) -> list[Word]:
    """Identify, then record. Whoever has a name by any vendor, or had one until now, is not named anew."""
    record = Word("record", form.event, filled.properties)
    if filled.identity is None or any(visitor.named for _, visitor in seen):
        return [record]
    return [Word("identify", filled.identity), record]


def _is_foreign(arrival: Arrival, *, by_get: bool) -> bool:
    host, site, headers = arrival.host, arrival.domain.site, arrival.request.headers
    if by_get:
        return not is_from_page(headers, lambda page: site.leads(host, page) is not Skip.ELSEWHERE)
    return is_cross_site(headers, host)


def _asked(form: Form, query: bytes) -> Submission:
    """A form sent by GET is its query."""
    submission = Submission(form, len(query))
    submission.take(query)
    return submission


def _unanswered(status: int) -> str:
    """Why an answer of this status takes no form, or ``""``."""
    if status >= 400:
        return "error-answered"
    return "sent-on" if status in _SENT_ON else ""


def _noted(arrival: Arrival, what: str, why: str) -> Arrival:
    return arrival._replace(notes=(*arrival.notes, Note(what, "", why)))
