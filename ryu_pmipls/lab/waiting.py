"""Polling until an event has happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ryu_pmipls.lab.lab_error import LabError

T = TypeVar("T")

_INTERVAL = 0.1  # s between two looks


def until(look: Callable[[], T], timeout: float) -> T:
    """First true result of ``look``; its last one when none was true within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)
    return found


def expect(look: Callable[[], T | None], timeout: float, otherwise: str) -> T:
    """First true result of ``look``; ``LabError`` with the text ``otherwise`` after ``timeout`` seconds without one."""
    found = until(look, timeout)
    if not found:
        raise LabError(otherwise)
    return found
