"""What must outlive a restart of the RMS."""

from ryu_pmipls.store.interface import Store, StoreError
from ryu_pmipls.store.sqlite import SqliteStore

__all__ = ["SqliteStore", "Store", "StoreError"]
