"""Admission of OpenFlow connections: one for each switch, and a few that have not told yet which switch they are."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Protocol

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.ryu.connection_errors import (
    DuplicateError,
    RefusalError,
    UnidentifiedError,
    UnknownSwitchError,
)
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

#: Connections without a datapath id at a time, besides one from each node's address. A switch needs some milliseconds
#: to tell its own; but after a restart of the RMS all of them come at once.
MAX_UNIDENTIFIED = 32
#: Seconds that a connection has for the handshake.
HANDSHAKE_TIMEOUT = 2.0
#: Seconds that a connected switch has to answer when another connection claims its datapath id.
ECHO_TIMEOUT = 1.0


class Admissible(Protocol):
    """A connection as admission sees it."""

    claimed_id: int  # its datapath id; -1 before it has told it

    @property
    def address(self) -> Any:
        """The socket's address of the other end."""

    def answers(self, within: float) -> bool:
        """True when the other end answers an echo request within so many seconds."""

    def abort(self, why: RefusalError) -> None:
        """End the connection, for that reason."""

    def objection(self) -> RefusalError | None:
        """Why it must end, though it was admitted once; None when it need not."""


class Admission:
    """The open connections of a controller.

    ``addresses`` has the node's address for each datapath id, ``refused`` counts refusals by reason.
    """

    def __init__(self, addresses: Mapping[int, IPv6Address], refused: Counter[str]) -> None:
        self._addresses = addresses
        self._refused = refused
        self._nodes = frozenset(addresses.values())
        self._newest: dict[IPv6Address | IPv4Address | None, Admissible] = {}  # unidentified, from a node's address
        self._unidentified: dict[Admissible, None] = {}  # all others, the oldest first
        self._identified: dict[int, Admissible] = {}
        self._limiter = RateLimiter()

    def enter(self, connection: Admissible) -> None:
        """Admit a new connection; the oldest of too many unidentified ones gives way.

        The newest one from a node's address does not count among these, and gives way to none.
        """
        address = host(connection.address)
        other: Admissible | None = connection
        if address in self._nodes:
            other, self._newest[address] = self._newest.get(address), connection
        if other is not None:
            self._unidentified[other] = None
        if len(self._unidentified) > MAX_UNIDENTIFIED:
            oldest = next(iter(self._unidentified))
            del self._unidentified[oldest]
            oldest.abort(UnidentifiedError("there are too many others that do not tell their datapath id either"))

    def leave(self, connection: Admissible) -> None:
        """Forget a connection that has ended, or is about to."""
        self._settle(connection)
        if self._identified.get(datapath_id := connection.claimed_id) is connection:
            del self._identified[datapath_id]

    def identify(self, connection: Admissible, datapath_id: int) -> None:
        """Make a connection that of a switch; ``RefusalError`` when it must end.

        When the switch is connected already, a connection from another address than the node's is refused; one from
        there takes its place if the older one came from elsewhere, or does not answer an echo request. That may take
        ``ECHO_TIMEOUT``.
        """
        address = self._addresses.get(datapath_id)
        if address is None:
            raise UnknownSwitchError(f"no node of the profile has the datapath id {datapath_id:016x}")
        while (older := self._identified.get(datapath_id)) is not None:
            if host(connection.address) != address:
                raise DuplicateError(f"datapath id {datapath_id:016x} is that of a connected switch at {address}")
            if host(older.address) == address and older.answers(ECHO_TIMEOUT):
                raise DuplicateError(f"the switch of datapath id {datapath_id:016x} answers by another connection")
            self.leave(older)
            older.abort(DuplicateError(f"a connection from {address} takes the place of a silent or foreign one"))
        self._settle(connection)
        self._identified[datapath_id] = connection
        connection.claimed_id = datapath_id

    def _settle(self, connection: Admissible) -> None:
        """Count a connection no more among the unidentified ones."""
        self._unidentified.pop(connection, None)
        if self._newest.get(address := host(connection.address)) is connection:
            del self._newest[address]

    def review(self) -> None:
        """End the connections of switches that would not be admitted any more."""
        for connection in [*self._identified.values()]:
            if (why := connection.objection()) is not None:
                connection.abort(why)
            hub.sleep(0)

    def refuse(self, address: Any, error: RefusalError) -> None:
        """Log and count that a connection is ended."""
        self._refused[reason := f"openflow: {error.reason}"] += 1
        if self._limiter.passes(reason):
            LOG.warning("the OpenFlow connection from %s is ended: %s", address[0], error)


def host(address: Any) -> IPv6Address | IPv4Address | None:
    """The IP address in a socket's address; None when it has none."""
    try:
        found = ip_address(str(address[0]).partition("%")[0])
    except (ValueError, IndexError):
        return None
    return getattr(found, "ipv4_mapped", None) or found
