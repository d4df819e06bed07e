"""Bytes that were made once and are asked for again, as long as there is room for them."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import final


@final
class Kept:
    """The newest bytes by key, at most so many of them in all."""

    def __init__(self, room: int) -> None:
        self._room, self._size = room, 0
        self._found: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: Hashable, data: bytes) -> bytes:
        with self._lock:
            self._size += len(data) - len(self._found.pop(key, b""))
            self._found[key] = data
            while self._size > self._room:
                self._size -= len(self._found.popitem(last=False)[1])
        return data
