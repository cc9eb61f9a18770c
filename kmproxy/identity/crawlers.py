"""Crawlers: programs that read pages, and people behind none of them."""

from __future__ import annotations

import re
from functools import lru_cache

# Words that crawlers, link-preview fetchers, monitors and HTTP libraries call themselves by.
# "Cubot" is a maker of phones.
_CRAWLER = re.compile(
    r"(?<!cu)bot(?![a-z])|crawl|spider|slurp|scrap|fetch|preview|monitor|validator|archiver|indexer"
    r"|search|headlesschrome|lighthouse|pagespeed|pingdom|uptime|facebookexternalhit|facebookcatalog"
    r"|whatsapp|skypeuri|vkshare|embedly|quora link|outbrain|bitly|mediapartners|apis-google|feed"
    r"|^(?:curl|wget|python|java|go-http|okhttp|libwww|ruby|php|perl|node|axios|httpie|postman|apache)",
    re.IGNORECASE,
)
_BROWSER = re.compile(r"mozilla|opera|mobile", re.IGNORECASE)


@lru_cache(maxsize=4096)
def is_crawler(user_agent: bytes) -> bool:
    """Whether this User-Agent is a program's own: a crawler's word, or no browser's at all."""
    name = user_agent.decode("latin-1")
    return not _BROWSER.search(name) or _CRAWLER.search(name) is not None
