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

FORMS = {
    "recorded": "the event of a tracked form is recorded",
    "cross-site": "the form was sent from another site, where browsers keep the visitor's cookies back",
    "not-from-a-page": "no page of this site sent the form: such a URL can be pasted and shared",
    "error-answered": "the form was answered with an error, so nothing of it counts",
    "sent-on": "the form was sent on to another address: the request there tells",
    "multipart": "the form is multipart/form-data, which passes unread",
    "content-type": "the body is no urlencoded form",
    "charset": "the form is in another charset than UTF-8",
    "compressed": "the form's body is compressed",
    "too-large": "the form is longer than what is read of one",
    "not-whole": "the form's body was not read to its end",
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

_FIELDS = {
    "field-secret": "a field is called like a password, a card or a token, or holds what such a one does",
    "field-reserved": "a field is called like a reserved property",
    "field-too-long": "a field is longer than 255 characters",
    "field-text": "a field holds a text of several lines",
    "field-card-number": "a field holds a card number",
    "field-undecodable": "a field can't be decoded",
    "too-many-fields": "the form has more fields than are looked at",
    "too-many-properties": "the fields are more than an event holds",
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
    return _FIELDS.get(reason, reason)
