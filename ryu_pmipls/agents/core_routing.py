"""An LMA's report on its downlink from the core network, and the cause if there is none (``docs/health.md``)."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv6Address
from pathlib import Path

from ryu_pmipls.agents.announcement import Announcer
from ryu_pmipls.agents.bird_sessions import BirdError, CoreSession, query_session
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.mobility import LocalMobilityAnchor
from ryu_pmipls.wire import CoreRouting

LOG = logging.getLogger(__name__)

_INTERVAL = 1.0  # seconds


def bird_socket(profile: Profile, run_directory: Path | None) -> Path | None:
    """The control socket of the LMA's bird; None where another daemon routes."""
    if profile.downlink.bird_socket is None or run_directory is None:
        return profile.downlink.bird_socket
    return run_directory / "bird.ctl"


class CoreRoutingWatch:
    """Watches an LMA's sessions with its core ``gateway``; ``path`` is bird's control socket.

    ``status`` is None while unknown, ``cause`` the reason for a status that is not ANNOUNCED.
    """

    def __init__(
        self, gateway: IPv6Address, path: Path | None, announcer: Announcer, machine: LocalMobilityAnchor
    ) -> None:
        self.status: CoreRouting | None = None
        self.cause = ""
        self._gateway = gateway
        self._path = path
        self._announcer = announcer
        self._machine = machine

    async def watch(self) -> None:
        """Keep ``status`` and ``cause`` up to date, for ever, if there is a bird to ask."""
        while self._path is not None:
            try:
                session: CoreSession | BirdError = await query_session(self._path, self._gateway)
            except BirdError as error:
                session = error
            before = self.status
            self.status, self.cause = judge(session, self._gateway, self._machine.draining, self._announcer.withheld)
            if self.status is not before:
                LOG.info("downlink is %s%s", self.status.word, f": {self.cause}" if self.cause else "")
            await asyncio.sleep(_INTERVAL)


def judge(
    session: CoreSession | BirdError, gateway: IPv6Address, draining: bool, withheld: str | None
) -> tuple[CoreRouting, str]:
    """The status and its cause; ``withheld`` says why the agent itself does not announce, if it does not.

    An announcement stays until bird has withdrawn it, so bird's answer takes precedence.
    """
    if isinstance(session, BirdError):
        return CoreRouting.NO_ANSWER, str(session)
    if session.routes:
        if session.watched:
            return CoreRouting.ANNOUNCED, ""
        return CoreRouting.UNWATCHED, f"there is no BFD session with {gateway} that is up"
    if draining:
        return CoreRouting.DRAINED, "it is drained"
    if withheld is not None:
        return CoreRouting.WITHDRAWN, withheld
    if session.established:
        return CoreRouting.NOT_ANNOUNCED, f"its BGP session with {gateway} announces nothing"
    status = CoreRouting.BFD_DOWN if "BFD" in session.error else CoreRouting.BGP_DOWN
    return status, f"its {status.name[:3]} session with {gateway} is down ({session.error})"
