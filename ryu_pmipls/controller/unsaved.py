"""Values that the store lacks: written when they change, and again for as long as that fails."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from ryu_pmipls.controller.store import StoreError

NameT = TypeVar("NameT", bound=Hashable)


class Unsaved(Generic[NameT]):
    """Names of values to save; ``write`` stores the present values of some names, or raises ``StoreError``."""

    def __init__(self, write: Callable[[list[NameT]], None]) -> None:
        self._write = write
        self._names: dict[NameT, None] = {}

    def add(self, *names: NameT) -> None:
        """Add names whose values have changed."""
        self._names.update(dict.fromkeys(names))

    def save(self) -> None:
        """Write all values; those that the store fails to save remain."""
        names, self._names = self._names, {}  # what is added while the store works is for the next time
        if not names:
            return
        try:
            self._write([*names])
        except StoreError:
            self._names = {**names, **self._names}
            raise


def save_all(unsaved: Iterable[Unsaved[str] | Unsaved[bytes]]) -> None:
    """Save all; raise the first error after the others have been tried."""
    errors = []
    for each in unsaved:
        try:
            each.save()
        except StoreError as error:
            errors.append(error)
    if errors:
        raise errors[0]
