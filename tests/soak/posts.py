"""What visitors send: each is sent once, so that it must come to the upstream no more than once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from outbox_chaos import Call

from . import site
from .crossings import arrive
from .record import REDIS, Record
from .visitor import Visitor

_SIZES = (0, 60, 5_000, 70_000, 400_000)
"""Bytes."""

_FORM = "application/x-www-form-urlencoded"


class Form(NamedTuple):
    """A tracked form that ``person`` has filled in."""

    person: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.number:05}.0"

    @property
    def body(self) -> bytes:
        return f"visit={self.name}&email={self.person}%40home.example&password=hunter2".encode()

    @property
    def calls(self) -> set[Call]:
        """What the vendors must be told, once it was answered."""
        return {
            Call("kissmetrics", self.person, "/e", self.name),
            Call("mixpanel", self.person, site.JOINED, self.name),
        }


async def upload(visitor: Visitor, host: str) -> None:
    """Have what was sent sent back."""
    visitor.deeds += 1
    body = site.noise(visitor.luck, visitor.luck.choice(_SIZES))
    target = f"/echo?post={visitor.name}-{visitor.deeds}"
    chunked = visitor.luck.random() < 0.5
    answer = await visitor.browser.post(host, target, "application/octet-stream", body, chunked=chunked)
    whole = visitor.judge.is_good("upload", host, answer, repeatable=False)
    if answer.status == 200 and (answer.body != body if whole else not body.startswith(answer.body)):
        visitor.record.fault("another upload's bytes", f"{visitor.name} {len(answer.body)} of {len(body)}")


async def submit(visitor: Visitor, host: str) -> None:
    """A tracked form, by name."""
    jar = visitor.browser.jars[site.SHOP]
    if jar.identity != visitor.name:
        return await arrive(visitor, host)
    visitor.deeds += 1
    form = Form(visitor.name, visitor.deeds)
    target = f"/join?post={visitor.name}-{visitor.deeds}"
    answer = await visitor.browser.post(site.SHOP, target, _FORM, form.body)
    if visitor.judge.is_good("form", site.SHOP, answer, 303, repeatable=False):
        if not visitor.record.excuse(answer.begun, REDIS):
            visitor.world.promised |= form.calls
        if jar.identity != visitor.name:
            visitor.record.fault("wrong identity", f"{jar.identity} by a form of {visitor.name}")
    return None


def check_posts(came: Path, record: Record) -> None:
    """``came`` has a line for each time that an upstream was sent one."""
    times = Counter(came.read_text().split())
    for post, count in times.items():
        if count > 1:
            record.fault("a POST sent more than once", f"{post}: {count} times")
    if len(times) < record.counts["upload"] + record.counts["form"]:
        record.fault("POSTs were answered that no upstream had", f"{len(times)} came")
