"""Periodic work, which goes on whatever comes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.store import StoreError

LOG = logging.getLogger(__name__)


class Periodic(NamedTuple):
    """Some work; ``name`` says in the log which work has failed."""

    interval: float  # seconds
    name: str
    work: Callable[[], None]

    def run(self) -> None:
        """Do the work after every interval, for ever."""
        while True:
            hub.sleep(self.interval)
            attempt(self.name, self.work)


def attempt(name: str, work: Callable[[], None]) -> None:
    """Do some work; log its failure."""
    try:
        work()
    except StoreError as error:
        LOG.error("%s", error)
    except Exception:
        LOG.exception("%s failed", name)
