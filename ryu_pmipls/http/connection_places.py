"""The connections that a server has room for."""

from __future__ import annotations

from collections.abc import Callable


class ConnectionPlaces:
    """A limited number of places; when all are taken, the client that has been at its request for longest gives way."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._requesting: dict[object, Callable[[], object]] = {}  # what ends each connection, the oldest first
        self._answered: set[object] = set()

    def take(self, connection: object, end: Callable[[], object]) -> bool:
        """Take a place for a connection, which ``end`` ends; false when all others are being answered."""
        if len(self._requesting) + len(self._answered) >= self._limit:
            if not self._requesting:
                return False
            self._requesting.pop(next(iter(self._requesting)))()
        self._requesting[connection] = end
        return True

    def answering(self, connection: object) -> None:
        """Let a connection keep its place: its request is complete."""
        if self._requesting.pop(connection, None) is not None:
            self._answered.add(connection)

    def leave(self, connection: object) -> None:
        """Free the place of a connection that has ended, if it still has one."""
        self._requesting.pop(connection, None)
        self._answered.discard(connection)
