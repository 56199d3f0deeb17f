"""State that must outlive a restart of the RMS: one interface, and back ends found by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ryu_pmipls.controller.store.interface import Store, StoreError
from ryu_pmipls.controller.store.memory import MemoryStore
from ryu_pmipls.controller.store.sqlite import SqliteStore

#: Constructors of stores by their name in the profile (``rms.store``). Arguments are the state directory and, as
#: ``decisions_kept``, the number of decisions and incidents to keep.
BACK_ENDS: Mapping[str, Callable[..., Store]] = {"sqlite": SqliteStore, "memory": MemoryStore}


def open_store(name: str, directory: Path) -> Store:
    """Open the store of that name; ``StoreError`` when there is none, or it cannot be opened."""
    if name not in BACK_ENDS:
        raise StoreError(f"no store is called {name!r} (rms.store of the profile); there are: {', '.join(BACK_ENDS)}")
    return BACK_ENDS[name](directory)


__all__ = ["BACK_ENDS", "MemoryStore", "SqliteStore", "Store", "StoreError", "open_store"]
