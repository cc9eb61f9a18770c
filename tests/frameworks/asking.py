"""A visitor's browser, as far as these tests need one."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode

HOST = "blog.example"
OTHER = "shop.example"
ANONYMOUS = "y75FdbLQWFVHRTbZQNtCVlaHCr0="

_HEADERS = {
    "Host": HOST,
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "cross-site",
    "Connection": "close",
}


class Visitor:
    """Somebody with these cookies; each request is a connection of its own, so any worker may get it."""

    def __init__(self, port: int, *, km_ai: str = ANONYMOUS, km_ni: str = "", host: str = HOST) -> None:
        self._port = port
        self._headers = {**_HEADERS, "Host": host}
        jar = {"km_ai": km_ai, "km_ni": km_ni}
        self._headers["Cookie"] = "; ".join(
            f"{name}={quote(jar[name], safe='')}" for name in jar if jar[name]
        )

    def ask(self, target: str, method: str = "GET") -> Answer:
        """The whole answer."""
        answer = self.begin(target, method)
        answer.body = answer.rest()
        return answer

    def send(self, target: str, form: dict[str, str]) -> Answer:
        """The answer to a form of the page's own host."""
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("POST", target, urlencode(form), {**self._headers, **kind})
        answer = Answer(connection.getresponse())
        answer.body = answer.rest()
        return answer

    def begin(self, target: str, method: str = "GET") -> Answer:
        """An answer of which the head has come."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, target, headers=self._headers)
        return Answer(connection.getresponse())

    def who(self, query: str = "") -> dict[str, Any]:
        """What the app knows."""
        said: dict[str, Any] = json.loads(self.ask(f"/who{query}").body)
        return said


class Answer:
    """A response; its body may still be on its way."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers
        lines = response.headers.get_all("Set-Cookie", [])
        self.cookies = dict(line.split(";")[0].split("=", 1) for line in lines)
        self.body = b""

    def read_until(self, end: bytes) -> bytes:
        """As much of the body as there is, up to and with ``end``."""
        came = b""
        while not came.endswith(end) and (byte := self._response.read(1)):
            came += byte
        return came

    def rest(self) -> bytes:
        """All that is left of the body."""
        with self._response as response:
            return response.read()
