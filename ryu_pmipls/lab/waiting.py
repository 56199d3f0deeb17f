"""Looking again and again until something has come about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ryu_pmipls.lab.lab_error import LabError

T = TypeVar("T")

_INTERVAL = 0.1  # s between two looks


def until(look: Callable[[], T], timeout: float) -> T:
    """What ``look`` gives as soon as that is true; what it gave last when it was not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
    return found


def expect(look: Callable[[], T | None], timeout: float, otherwise: str) -> T:
    """The same, but a ``LabError`` that says ``otherwise`` when it has not become true."""
    found = until(look, timeout)
    if not found:
        raise LabError(otherwise)
    return found
