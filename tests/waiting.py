"""Waiting until what a test is about to look at has come about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: What has not come about after so many seconds, on however busy a machine, does not come.
PATIENCE = 60.0
_INTERVAL = 0.05  # s between two looks


def eventually(condition: Callable[[], T], what: str = "it", timeout: float = PATIENCE) -> T:
    """The value of ``condition`` as soon as that is true.

    ``TimeoutError`` when it is not within ``timeout`` seconds: names ``what``, and the last value.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about within {timeout:g} s; in the end: {value!r}")
        time.sleep(_INTERVAL)
    return value
