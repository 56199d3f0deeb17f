"""IPsec of a lab: a daemon of strongSwan on each node, the RMS's on the host itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ovs_setup.ipsec.files import DaemonFiles
from ovs_setup.ipsec.set_up import set_up
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.ipsec.charon import Charon
from ryu_pmipls.ipsec.errors import IpsecError
from ryu_pmipls.ipsec.pairs import associations
from ryu_pmipls.lab.daemons import CHARON, Daemons
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import RMS, LabLayout
from ryu_pmipls.lab.waiting import expect

#: UDP ports of IKEv2, of which a network namespace has but one.
_PORTS = (500, 4500)
_TIMEOUT = 20.0  # seconds for daemons to be there, and then for their associations


class LabIpsec:
    """The protection of the nodes of a lab whose profile wants IPsec; without that it does nothing."""

    def __init__(self, profile: Profile, plan: LabLayout, directory: Path, daemons: Daemons) -> None:
        self._profile = profile
        self._plan = plan
        self._directory = directory
        self._daemons = daemons

    def protect_rms(self) -> None:
        """Protect the RMS's signalling, and start its daemon; ``LabError`` when another one is on this host."""
        if self._profile.signalling.ipsec:
            _require_free_ports()
            self._protect([RMS])

    def protect_switches(self) -> None:
        """Protect the signalling of MAGs and LMAs; returns when all associations are there."""
        if self._profile.signalling.ipsec:
            self._protect(self._plan.switches)
            self._expect((RMS, *self._plan.switches), self._has_associations, "has associations with all peers")

    def charon(self, node: str) -> Charon:
        """The daemon of a node."""
        return Charon(self._files(node).socket)

    def _protect(self, nodes: Iterable[str]) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._set_up, nodes))
        for node in nodes:
            self._daemons.start(f"{CHARON}{node}")
        self._expect(nodes, self._has_connections, "runs")

    def _set_up(self, node: str) -> None:
        namespace = None if node == RMS else self._plan.namespace(node)
        directory = self._directory / node
        directory.mkdir(exist_ok=True)
        set_up(OpenVSwitch(directory, namespace), self._profile, node, self._files(node), private=True)

    def _files(self, node: str) -> DaemonFiles:
        return DaemonFiles.private(self._directory / node)

    def _expect(self, nodes: Iterable[str], condition: Callable[[str], bool], what: str) -> None:
        for node in nodes:
            log = self._daemons.log(f"{CHARON}{node}")
            expect(
                lambda node=node: condition(node),  # type: ignore[misc]
                _TIMEOUT,
                f"within {_TIMEOUT:.0f} s no strongSwan of {node} {what}; its log is {log}",
            )

    def _has_connections(self, node: str) -> bool:
        try:
            return self.charon(node).connections() >= self._peers(node)
        except IpsecError:
            return False

    def _has_associations(self, node: str) -> bool:
        return {each.connection for each in self.charon(node).associations() if each.installed} >= self._peers(node)

    def _peers(self, node: str) -> set[str]:
        return {peer.name for peer in associations(self._profile, node).peers}


def _require_free_ports() -> None:
    for port in _PORTS:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
            try:
                trial.bind(("::", port))
            except OSError as error:
                raise LabError(
                    f"UDP port {port} of this host, where the lab's RMS speaks IKEv2, cannot be used: "
                    f"{error.strerror}; does strongSwan, or another lab with IPsec, run here?"
                ) from None
