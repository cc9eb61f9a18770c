"""A transport that counts what is written to it."""

from __future__ import annotations

import asyncio
from typing import Any


class Counted(asyncio.Transport):
    """``transport``, and how many bytes have gone into it since it was made."""

    def __init__(self, transport: Any) -> None:
        super().__init__()
        self._transport = transport
        self.sent = 0
        self.status = 0
        """That of the response which was written."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.status < 200 and self.status != 101 and data[:5] == b"HTTP/":
            self.status = int(bytes(data[9:12]))
        self.sent += len(data)
        self._transport.write(data)

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        found: asyncio.BaseProtocol = self._transport.get_protocol()
        return found

    def is_reading(self) -> bool:
        return bool(self._transport.is_reading())

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return int(self._transport.get_write_buffer_size())

    def get_write_buffer_limits(self) -> tuple[int, int]:
        low, high = self._transport.get_write_buffer_limits()
        return low, high

    def can_write_eof(self) -> bool:
        return bool(self._transport.can_write_eof())

    def write_eof(self) -> None:
        self._transport.write_eof()
