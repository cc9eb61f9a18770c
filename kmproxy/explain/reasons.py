"""The names of rules and reasons, in words."""

from __future__ import annotations

from kmproxy.links.decorate import Skip

RULES = {
    "new-visitor": "a new visitor is identified by the arriving ID",
    "new-visitor-named": "a new visitor is identified by the arriving name",
    "own-id": "the arriving ID is the visitor's own",
    "anonymous-identified": "an anonymous visitor is identified by the arriving ID; the two are one person",
    "named-switched": "the arriving name takes the place of the visitor's name; they stay two people",
    "named-kept": "an arriving anonymous ID never replaces a name",
    "anonymous-adopted": "a new visitor takes over the arriving anonymous ID",
    "anonymous-joined": "two anonymous IDs are one person: the click came from another domain of the site",
    "no-click-from-the-site": "an arriving anonymous ID counts only if the click came from another domain"
    " of the site",
    "head-joins-nobody": "nobody looks at a HEAD's answer, so nobody is joined by one",
    "first-visit": "a first-time visitor gets an anonymous ID",
    "cleared": "the app said that the visitor logged out",
    "aliased": "the app said that two IDs are one person",
    "recorded": "the app recorded an event",
}

REFUSALS = {
    "crawler": "the User-Agent is a program's, no browser's: crawlers are left alone",
    "gpc": "the browser sent Sec-GPC: 1 (Global Privacy Control)",
    "dnt": "the browser sent DNT: 1 (Do Not Track)",
    "consent-cookie": "the visitor's cookies show no consent",
    "km-ignore": "the browser has the cookie km_ignore: its visits are not to be counted",
    "opted-out": "the visitor has opted out, by a cookie of the vendor's JavaScript",
    "prefetch": "the page is fetched ahead of a click that may never come",
    "head-records-nobody": "nobody looks at a HEAD's answer: it makes no tracking call",
    "cookie-not-kept": "the last page's cookie is gone: the vendor's JavaScript keeps the ID elsewhere",
    "cookie-too-large": "the cookie would be larger than browsers keep",
    "nobody": "there is nobody it could be said of",
    "alias-joins-nobody": "the provider can't be told of this alias",
}

LEFT_ALONE = {
    "attachment": "it is an attachment, to be saved and not shown",
    "no-transform": "it says Cache-Control: no-transform",
    "charset": "its charset is none that ASCII can be put into",
    "coding": "its Content-Encoding can't be read",
    "wrong-coding": "it is not in the Content-Encoding that it names",
    "broken-off": "it breaks off",
    "no-page": "it is no HTML page that a browser shows whole",
    "nobody": "the visitor is nobody yet: no provider has an identity",
    "no-answer": "kmproxy answers by itself",
    "no-domain": "its host is no domain of any site",
}

URLS = {
    "inline": "the URL says who arrives: the upstream gets it clean, the browser keeps it as it is",
    "leave": "the URL says who arrives, and is left as it is",
}

_UNFIT = {
    "undecodable": "can't be decoded",
    "empty": "is empty",
    "too-long": "is longer than 255 characters",
    "control-character": "holds control characters",
    "surrogate": "holds half a character",
    "forbidden": "is none that may be a person's",
    "device": "is a device's",
    "reserved": "is a reserved one",
    "name-length": "has a name that is empty or too long",
}

SKIPS = {
    Skip.UNREADABLE: "no URL that a browser can read",
    Skip.NOT_HTTP: "neither http nor https",
    Skip.ELSEWHERE: "leads to no domain of this site",
    Skip.SHARED_SCOPE: "leads to this host itself",
    Skip.TAGGED: "carries an identity already",
    Skip.UNSURE: "written so oddly that nothing can be added to it safely",
    Skip.OPTED_OUT: 'the element says data-kmproxy="off"',
    Skip.OTHER_CLASS: "the element is not of the class that is decorated",
    Skip.GET_BUTTON: "a button's formaction that is sent by GET loses its query",
}

LATE_BASE = (
    "a <base> behind the first links leads to another host: links before it are judged as if it were not"
    " there (but by it, where the page comes compressed and in one piece)"
)


def rejected(reason: str) -> str:
    """Why a parameter or a visitor was refused."""
    if reason in REFUSALS:
        return REFUSALS[reason]
    for subject in ("identity", "event", "property"):
        if reason.startswith(f"{subject}-"):
            return f"the {subject} {_UNFIT.get(reason.removeprefix(f'{subject}-'), 'is refused')}"
    return reason
