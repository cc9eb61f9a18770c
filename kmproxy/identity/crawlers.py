"""Crawlers: programs that read pages, and people behind none of them."""

from __future__ import annotations

import re
from functools import lru_cache

# Words that crawlers, link-preview fetchers and monitors call themselves by.
# "Cubot" is a maker of phones, and "search" a word in the browsers of Naver's and Yandex' apps.
_CRAWLER = re.compile(
    r"(?<!cu)bots?(?![a-z])|crawl|spider|slurp|scrap|fetch|preview|monitor|validator|archiver|indexer"
    r"|headlesschrome|phantomjs|lighthouse|pagespeed|gtmetrix|ptst/|pingdom|uptime|site24x7|synthetics"
    r"|facebookexternalhit|facebookcatalog|skypeuri|vkshare|embedly|quora link|outbrain|bitly|\bfeed"
    r"|mediapartners|apis-google|compatible; ?google|ms-?office|powershell|httrack|nmap|nikto|zgrab"
    # Whom to complain to: no browser says so.
    r"|\+(?:https?:|[\w.-]+@)",
    re.IGNORECASE,
)
_BROWSER = re.compile(
    r"mozilla|opera|mobile|browser|midp|blackberry|symbian|netfront|^(?:lynx|e?links|w3m|dillo)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_crawler(user_agent: bytes) -> bool:
    """Whether this User-Agent is a program's own: a crawler's word, or no browser's at all."""
    return is_spider(user_agent) or not _BROWSER.search(user_agent.decode("latin-1"))


@lru_cache(maxsize=4096)
def is_spider(user_agent: bytes) -> bool:
    """Whether this User-Agent says itself that it reads pages; an HTTP library's says nothing."""
    return _CRAWLER.search(user_agent.decode("latin-1")) is not None
