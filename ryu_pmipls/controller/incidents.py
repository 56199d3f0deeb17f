"""What has happened to LMAs, for the operator: kept over restarts of the RMS."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator

from ryu_pmipls.controller.store import Store, StoreError
from ryu_pmipls.loadsharing import Incident

LOG = logging.getLogger(__name__)

#: So many of the last ones are shown.
_SHOWN = 1000


class Incidents:
    """The last incidents, oldest first when iterated."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = deque(store.load_incidents(), maxlen=_SHOWN)

    def __iter__(self) -> Iterator[Incident]:
        return iter(tuple(self._last))

    def note(self, incident: Incident) -> None:
        """It has happened; where it cannot be stored it is at least shown."""
        LOG.warning("%s %s: %s", incident.lma, incident.kind, incident.reason)
        self._last.append(incident)
        try:
            self._store.save_incident(incident)
        except StoreError as error:
            LOG.error("what happened to %s is not stored: %s", incident.lma, error)
