"""Of which failures a store is known to suffer."""

from __future__ import annotations

from typing import Any

import pytest

from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.controller.watched_store import WatchedStore


class Disk:
    def __init__(self) -> None:
        self.full = False
        self.saved: list[Any] = []

    def save_bindings(self, bindings: list[int]) -> None:
        if self.full:
            raise StoreError("the disk is full")
        self.saved += bindings

    def load_settings(self) -> dict[str, int]:
        return {"a": 1}


def test_a_failure_stands_until_the_same_succeeds() -> None:
    disk: Any = Disk()
    store = WatchedStore(disk)
    store.save_bindings([1])
    assert (disk.saved, store.failures) == ([1], {})
    disk.full = True
    with pytest.raises(StoreError):
        store.save_bindings([2])
    assert store.load_settings() == {"a": 1}
    assert store.failures == {"save_bindings": "the disk is full"}
    disk.full = False
    store.save_bindings([2])
    assert store.failures == {}
