"""The table of exchanges that all doors must carry alike."""

from __future__ import annotations

from doors_arrivals import ARRIVALS
from doors_forms import FORMS
from doors_heads import HEADERS, WORDS
from doors_pages import PAGES

CASES = [*PAGES, *HEADERS, *ARRIVALS, *WORDS, *FORMS]
