"""Mixpanel's ingestion API: ``POST /track`` and ``/import``.

Facts from the vendor's pages "Ingestion API: identity", "Track events" and "Event deduplication".
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any, Literal

from kmproxy.identity.visitor import Visitor
from kmproxy.tracking import TrackingCall

IdMerge = Literal["simplified", "original"]
"""How a project joins people; fixed when it is made."""

DEVICE = "$device:"
"""What an anonymous ``distinct_id`` begins with."""


class MixpanelCalls:
    """The calls of one project token."""

    def __init__(self, token: str, endpoint: str, id_merge: IdMerge) -> None:
        self._token = token
        self._endpoint = endpoint.rstrip("/")
        self._id_merge = id_merge

    def identify(self, device: str, user: str, now: float) -> TrackingCall:
        """Simplified merge joins a device and a user at the first event that holds both."""
        said = {"distinct_id": user, "$identified_id": user, "$anon_id": device}
        if self._id_merge == "simplified":
            bare = device.removeprefix(DEVICE)
            said = {"distinct_id": user, "$user_id": user, "$device_id": bare, "$anon_distinct_id": device}
        return self._track("$identify", said, user, _insert_id("$identify", device, user, now), now)

    def merge(self, before: str, k: str, now: float) -> TrackingCall:
        """Two people of an original merge are one."""
        token = b64encode(f"{self._token}:".encode()).decode()
        insert_id = _insert_id("$merge", before, k, now)
        said = {"$distinct_ids": [before, k]}
        call = self._post("/import?strict=1", "$merge", said, k, insert_id, now)
        return replace(call, headers=(*call.headers, ("Authorization", f"Basic {token}")))

    def alias(self, person: str, other: str, now: float) -> TrackingCall:
        """``other`` is one more name of ``person``, in an original merge."""
        insert_id = _insert_id("$create_alias", person, other, now)
        said = {"distinct_id": person, "alias": other}
        return self._track("$create_alias", said, person, insert_id, now)

    def track(
        self, visitor: Visitor, event: str, properties: dict[str, Any], now: float, insert_id: str
    ) -> TrackingCall:
        """An event of ``visitor``, who has an identity."""
        person = visitor.identity or ""
        who = {"distinct_id": person}
        if visitor.anonymous:
            who["$device_id"] = visitor.anonymous.removeprefix(DEVICE)
        if visitor.named:
            who["$user_id"] = visitor.named
        return self._track(event, {**properties, **who}, person, insert_id, now)

    def _track(
        self, event: str, said: dict[str, Any], person: str, insert_id: str, now: float
    ) -> TrackingCall:
        return self._post("/track?verbose=1&ip=0", event, said, person, insert_id, now)

    def _post(
        self, path: str, event: str, said: dict[str, Any], person: str, insert_id: str, now: float
    ) -> TrackingCall:
        properties = {**said, "token": self._token, "time": int(now), "$insert_id": insert_id}
        body = json.dumps([{"event": event, "properties": properties}]).encode()
        headers = (("Content-Type", "application/json"),)
        return TrackingCall("mixpanel", person, "POST", self._endpoint + path, headers, body)


def _insert_id(event: str, one: str, other: str, now: float) -> str:
    """To join the same two again within a second is to say it twice."""
    return sha256(json.dumps([event, one, other, int(now)]).encode()).hexdigest()[:36]
