"""The sites' pages: two of our own, and real ones of the corpus where it is there."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import brotli
import zstandard

from browser.vendors import KEY, TOKEN, Vendors

# Links as authors write them; OTHER is the other domain.
_FRONT = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>http://OTHER/ is only a title</title>
<script>var link = '<a href="http://OTHER/script">';</script>
<style>a[href^="http://OTHER/"] { color: green }</style></head>
<body>
<!-- <a href="http://OTHER/comment"> -->
<p><a id="over" href="http://OTHER/">over</a> <a href=http://OTHER/unquoted>unquoted</a>
<a href='http://OTHER'>no path</a> <a href="//OTHER/?page=2&amp;sort=up#part">a query and a fragment</a>
<a href="  HTTP://OTHER/Spaces ">spaces</a> <a href="http:\\\\OTHER\\back">backslashes</a>
<a href="http://OTHER/caf\u00e9?q=\u00fc">beyond ASCII</a> <a href="http&#58;//OTHER/entity">entities</a>
<a href="http://elsewhere.test/">another site</a> <a href="/about">here</a> <a href="mailto:a@OTHER">mail</a>
<a title='<a href="http://OTHER/title">' href="http://OTHER/a?b=c">a title like a link</a>
<map name="m"><area href="http://OTHER/area"></map>
<svg><a href="http://OTHER/drawing"><text>drawn</text></a></svg>
<textarea><a href="http://OTHER/text"></textarea>
<noscript><a href="http://OTHER/noscript">no script</a></noscript>
<template><a href="http://OTHER/template">template</a></template>
<table><tr><td><a href="http://OTHER/table"><b>in</b> a <i>table</i></a></table>
</body>
</html>
"""

# KM reads and writes its cookies as the vendor's JavaScript does.
_STORY = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A story</title>
<script>
var KM = {
    rc: function (name) {
        var found = document.cookie.match(new RegExp("(?:^|; )" + name + "=([^;]*)"));
        return found ? decodeURIComponent(found[1]) : null;
    },
    sc: function (name, value, domain) {
        var expires = new Date(Date.now() + 157680000000).toUTCString();
        document.cookie = name + "=" + encodeURIComponent(value) + "; expires=" + expires +
            "; path=/; domain=." + domain;
    },
    i: function () { return KM.rc("km_ni") || KM.rc("km_ai"); },
    key: "KEY"
};
</script>
SDK
</head>
<body><p><a id="over" href="http://OTHER/story.html">over</a></p></body>
</html>
"""

_SDK = """\
<script>MIXPANEL_CUSTOM_LIB_URL = "/mixpanel.min.js";</script>
<script src="/mixpanel-jslib-snippet.min.js"></script>
<script>
mixpanel.init("TOKEN", Object.assign({
    api_host: "VENDORS/sdk",
    persistence: "cookie",
    batch_requests: false,
    loaded: function () { window.loadedAs = mixpanel.get_distinct_id(); }
}, window.ownSettings));
mixpanel.track("page viewed", {page: location.host});
</script>
"""

REAL = ("daringfireball-1.html", "ars-1.html", "gmw.html", "wikipedia-2.html")
"""Pages of the corpus: 10 KB, 56 KB, 143 KB and 1 MB; absolute links in all of them."""

_ABSOLUTE_LINK = re.compile(rb'(<a\s[^>]*?href=")https?://[^/"?#]+', re.IGNORECASE)


def write(folder: Path, other: str, vendors: Vendors, sdk: Path | None) -> None:
    """The pages of one host: ``/``, the same in br and zstd, and ``/story.html``."""
    folder.mkdir()
    front = _FRONT.replace("OTHER", other).encode()
    (folder / "index.html").write_bytes(front)
    for coding, body in (("br", brotli.compress(front)), ("zstd", zstandard.compress(front))):
        (folder / coding).mkdir()
        (folder / coding / "index.html").write_bytes(body)
    script = _SDK.replace("TOKEN", TOKEN).replace("VENDORS", vendors.url) if sdk else ""
    story = _STORY.replace("OTHER", other).replace("SDK", script).replace("KEY", KEY)
    (folder / "story.html").write_text(story)
    if sdk:
        for name in ("mixpanel.min.js", "mixpanel-jslib-snippet.min.js"):
            (folder / name).symlink_to(sdk / name)


def write_corpus(folder: Path, other: str, corpus: Path) -> None:
    """Real pages under ``/corpus/``, every third absolute link of which leads to ``other``."""
    (folder / "corpus").mkdir()
    for name in REAL:
        (folder / "corpus" / name).write_bytes(pointed_at(other, (corpus / name).read_bytes()))


def pointed_at(other: str, page: bytes) -> bytes:
    count = itertools.count()
    home = f"http://{other}".encode()
    return _ABSOLUTE_LINK.sub(lambda link: link[1] + home if next(count) % 3 == 0 else link[0], page)
