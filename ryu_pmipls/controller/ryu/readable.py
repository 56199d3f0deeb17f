"""Repeated waiting for sockets: the hub learns of them once, not before and after each time."""

from __future__ import annotations

from typing import Any

from eventlet import getcurrent
from eventlet.hubs import get_hub


class Readable:
    """Lets one green thread at a time wait until one of some sockets, by their descriptors, is readable.

    Close them only after :meth:`close`.
    """

    def __init__(self, *descriptors: int) -> None:
        self._listeners: dict[int, Any] = dict.fromkeys(descriptors)  # None while the hub does not watch it
        self._waiting: Any = None

    def wait(self) -> None:
        """Wait until a socket is readable, or for :meth:`wake`."""
        loop, self._waiting = get_hub(), getcurrent()
        try:
            for descriptor, listener in self._listeners.items():
                if listener is None:
                    listener = loop.add(loop.READ, descriptor, self._came, self._waiting.throw, None)
                    self._listeners[descriptor] = listener
            loop.switch()
        finally:
            self._waiting = None

    def wake(self) -> None:
        """End the waiting; the hub calls this."""
        if self._waiting is not None:
            self._waiting.switch()

    def close(self) -> None:
        """Let the hub forget the sockets."""
        for descriptor in self._listeners:
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        listener, self._listeners[descriptor] = self._listeners[descriptor], None
        if listener is not None:
            get_hub().remove(listener)

    def _came(self, descriptor: int) -> None:
        if self._waiting is None:
            self._forget(descriptor)  # nobody has the time to read; the hub would report it again and again
        else:
            self._waiting.switch()
