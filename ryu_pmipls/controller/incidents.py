"""Incidents of LMAs, for the operator: kept over restarts of the RMS."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator

from ryu_pmipls.controller.store import Store, StoreError
from ryu_pmipls.loadsharing import Incident

LOG = logging.getLogger(__name__)

#: Number of latest incidents that are shown.
_SHOWN = 1000


class Incidents:
    """The latest incidents; iterates oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = deque(store.load_incidents(), maxlen=_SHOWN)

    def __iter__(self) -> Iterator[Incident]:
        return iter(tuple(self._last))

    def record(self, incident: Incident) -> None:
        """Record an incident; if the store fails, it is at least shown."""
        LOG.warning("%s %s: %s", incident.lma, incident.kind, incident.reason)
        self._last.append(incident)
        try:
            self._store.save_incident(incident)
        except StoreError as error:
            LOG.error("the incident of %s is not stored: %s", incident.lma, error)
