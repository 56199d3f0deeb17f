"""A store whose failures show in the domain's health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ryu_pmipls.controller.store import Store, StoreError


class WatchedStore:
    """Stands for ``store``; ``failures`` (method -> error) holds the methods that have not succeeded since."""

    def __init__(self, store: Store) -> None:
        self.failures: dict[str, str] = {}
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._store, name)

        def watched(*arguments: Any) -> Any:
            try:
                answer = method(*arguments)
            except StoreError as error:
                self.failures[name] = str(error)
                raise
            self.failures.pop(name, None)
            return answer

        return watched
