"""Resources and commands of the agents of MAGs and LMAs: JSON over HTTP.

They are always at a Unix socket, for root and the agent's own user and group, and at a TCP port if the profile says so.
Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from pydantic import model_validator

from ryu_pmipls import __version__
from ryu_pmipls.agents.attachment import AccessNetwork
from ryu_pmipls.agents.disk_trial import DiskTrial
from ryu_pmipls.agents.driver import Driver
from ryu_pmipls.agents.follow_associations import follow_associations
from ryu_pmipls.agents.host_watch import HostWatch
from ryu_pmipls.clock import deviation
from ryu_pmipls.domain.profile import LinkLayerAddress, Lma, Mag, MobileNode, Profile, format_link_layer
from ryu_pmipls.http.access.audit_log import AuditLog
from ryu_pmipls.http.access.audit_trail import AuditTrail
from ryu_pmipls.http.access.control import server_access
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.application import Page, Pages, Resource, RestApplication, RestError
from ryu_pmipls.http.pages import page_of
from ryu_pmipls.http.requests import RequestModel, read
from ryu_pmipls.http.server import HttpServer
from ryu_pmipls.ipsec.watch import AssociationWatch
from ryu_pmipls.mobility import BindingUpdateEntry, MobileAccessGateway
from ryu_pmipls.pki.own_certificate import OwnCertificate
from ryu_pmipls.pki.rest_tls import rest_tls

Document = dict[str, Any]

READ, OPERATE = AccessRole.READ, AccessRole.OPERATE


def socket_path(name: str, run_directory: Path | None) -> Path:
    """The Unix socket of the agent of that name."""
    return Path(f"/run/pmipls-{name}/control.sock") if run_directory is None else run_directory / "control.sock"


# Requests


class NodeRequest(RequestModel):
    """A mobile node of the profile, by one or both of its names. Of both, the identifier is what counts."""

    identifier: str | None = None
    link_layer_address: LinkLayerAddress | None = None

    @model_validator(mode="after")
    def _named(self) -> NodeRequest:
        if self.identifier is None and self.link_layer_address is None:
            raise ValueError("identifier, link_layer_address or both must be given")
        return self


class AttachRequest(NodeRequest):
    access_port: str


class DetachRequest(NodeRequest):
    """A departure. With ``access_port`` the node must be there: it may have gone to another port since."""

    access_port: str | None = None


# The common part of agents


class AgentApi:
    """The resources and commands of an agent; ``driver`` runs the machine behind them.

    ``host`` watches its host, ``disk`` the directory ``state`` of its state, where tokens and audit log are, too.
    """

    role: str

    def __init__(
        self, profile: Profile, node: Mag | Lma, driver: Driver, host: HostWatch, disk: DiskTrial, state: Path
    ) -> None:
        self._profile = profile
        self._node = node
        self._driver = driver
        self._host = host
        self._disk = disk
        self._names = {peer.address: peer.name for peer in (*profile.lmas, *profile.mags)}
        self._certificate = OwnCertificate(profile, node.name)
        self._associations = AssociationWatch(profile, node.name)
        self._index: dict[str, list[str]] = {"resources": [], "commands": []}
        self.application = RestApplication(
            names=() if node.api is None else node.api.names,
            access=server_access(profile, node.api, state, driver.counters),
            audit=AuditTrail(AuditLog(state)),
        )
        self.application.serve("/v1", READ, self.index)
        self._add_resource("health", READ, self.health)
        self._add_resource("tunnels", READ, self.tunnels)
        self._add_resource("peers", READ, self.peers)
        self._add_resource("ipsec", READ, self._associations.document)

    def listen(self, path: Path) -> None:
        """Have the driver serve at the Unix socket ``path``, and where the profile says; ``PkiError`` if it cannot."""
        if self._associations.needed:
            self._driver.background(lambda: follow_associations(self._associations))
        server = HttpServer(self.application)
        self._driver.background(lambda: server.listen_at_path(path))
        api = self._node.api
        if api is not None:
            tls = rest_tls(self._profile, self._node.name, api.host)
            self._driver.background(lambda: server.listen_at_port(api.host, api.port, tls))

    def _add_resource(self, name: str, role: AccessRole, resource: Resource | Pages) -> None:
        self._index["resources"].append(f"/v1/{name}")
        self.application.serve(f"/v1/{name}", role, resource)

    def _add_command(self, name: str, role: AccessRole, command: Callable[[Document], Any]) -> None:
        self._index["commands"].append(f"/v1/{name}")
        self.application.obey(f"/v1/{name}", role, command)

    def _name(self, address: IPv6Address) -> str:
        return self._names.get(address, str(address))

    def _wall(self, moment: float | None) -> float | None:
        return None if moment is None else self._driver.clock.wall(moment)

    def index(self) -> Document:
        return self._identity() | self._index

    def health(self) -> Document:
        """``ok`` if nothing is wrong with the traffic here, else ``degraded``, with the reasons."""
        reasons = self.reasons()
        return {
            "status": "degraded" if reasons else "ok",
            "reasons": reasons,
            **self._identity(),
            "time": self._driver.clock.wall(self._driver.clock()),
            "bindings": len(self._driver.machine.bindings),
            "counters": dict(self._driver.counters),
        }

    def reasons(self) -> list[str]:
        """The reasons why traffic does not flow as it should, as far as this node sees them."""
        now = self._driver.clock()
        down = [tunnel["peer"] for tunnel in self.tunnels() if tunnel["state"] != "up"]
        return [
            *(f"the tunnel to {peer} is not up" for peer in down),
            *(
                f"timestamps are refused: the clock of {self._name(peer)} is {deviation(ahead)} this one"
                for peer, ahead in self._driver.clock_skews().items()
            ),
            *self._certificate.reasons(now, self._driver.clock.wall(now)),
            *self._associations.reasons(),
            *self._host.changes,
            *((self._disk.fault,) if self._disk.fault is not None else ()),
        ]

    def _identity(self) -> Document:
        return {
            "role": self.role,
            "name": self._node.name,
            "domain": self._profile.domain,
            "version": __version__,
        }

    def tunnels(self) -> list[Document]:
        return [
            {"peer": self._name(address), "address": str(address), "state": state.name.lower()}
            for address, state in self._driver.machine.tunnels.items()
        ]

    def peers(self) -> list[Document]:
        """The state of peers according to heartbeats (RFC 5847)."""
        return [
            {
                "peer": self._name(address),
                "address": str(address),
                "lost": peer.lost,
                "last_heard": self._wall(peer.last_heard),
                "missed": peer.missed,
                "restart_counter": peer.restart_counter,
                "understands_heartbeats": peer.understands,
            }
            for address, peer in self._driver.machine.peers.items()
        ]


# The MAG


class GatewayControl(AgentApi):
    """The control of a MAG; ``attached(link-layer address, OpenFlow port)`` as in ``AccessNetwork``."""

    role = "mag"

    def __init__(
        self,
        profile: Profile,
        mag: Mag,
        driver: Driver,
        host: HostWatch,
        disk: DiskTrial,
        state: Path,
        machine: MobileAccessGateway,
        access: AccessNetwork,
        attached: Callable[[bytes, int], None],
    ) -> None:
        super().__init__(profile, mag, driver, host, disk, state)
        self._mag = mag
        self._machine = machine
        self._access = access
        self._attached = attached
        self._add_resource("bindings", READ, Pages(self.bindings))
        self._add_resource("uplinks", READ, self.uplinks)
        self._add_resource("access-ports", READ, self.access_ports)
        self._add_resource("contested-ports", READ, self.contested_ports)
        self._add_command("attach", OPERATE, self.attach)
        self._add_command("detach", OPERATE, self.detach)

    def bindings(self, limit: int, after: str | None) -> Page:
        def name(entry: BindingUpdateEntry) -> str:
            return format_link_layer(entry.link_layer_address)

        return page_of(self._machine.bindings, name, self._binding, limit, after)

    def uplinks(self) -> dict[str, float]:
        """LMA -> the fraction of the uplink that it carries, as the RMS says."""
        return {self._name(lma): float(share) for lma, share in self._machine.uplinks.items()}

    def access_ports(self) -> list[Document]:
        ports = self._access.ports
        return [
            {"name": name, "port": port.number, "up": port.up, "mtu": port.mtu}
            if (port := ports.get(name)) is not None
            else {"name": name, "port": None, "up": False, "mtu": None}
            for name in self._mag.access_ports
        ]

    def contested_ports(self) -> list[Document]:
        """Access ports that have claimed mobile nodes which were elsewhere, the one with the oldest claim first."""
        now = self._driver.clock()
        return [
            {
                "access_port": self._port_name(found.place.port),
                "port": found.place.port,
                "link_layer_address": format_link_layer(found.place.link_layer_address),
                "false_claims": found.claims,
                "last": self._wall(found.last),
                "held_until": self._wall(found.held_until) if found.held_until > now else None,
            }
            for found in self._machine.contested_ports(now)
        ]

    def reasons(self) -> list[str]:
        return [
            *super().reasons(),
            *(
                f"access port {found['access_port'] or found['port']} has claimed {found['link_layer_address']}, "
                f"which was elsewhere, {found['false_claims']} times"
                for found in self.contested_ports()
            ),
        ]

    def attach(self, document: Document) -> Document:
        """Attach a mobile node to an access port; registration goes on meanwhile, and ``bindings`` shows its result."""
        request = read(AttachRequest, document)
        node = self._mobile_node(request)
        self._require_own(request.access_port)
        port = self._access.ports.get(request.access_port)
        if port is None or not port.up:
            raise RestError(409, f"access port {request.access_port} is down")
        before = self._entry(node)
        address = request.link_layer_address
        if address is None:
            address = node.link_layer_address if before is None else before.link_layer_address
        elif request.identifier is not None:
            self._driver.dispatch(self._machine.identify, node.identifier.encode(), address)
        self._attached(address, port.number)
        entry = self._entry(node)
        if entry is None:
            raise RestError(409, f"{node.identifier} gets no service here; the log of {self._mag.name} says why")
        return self._binding(entry)

    def detach(self, document: Document) -> Document:
        """Detach a mobile node, which has left or must leave."""
        request = read(DetachRequest, document)
        node = self._mobile_node(request)
        if request.access_port is not None:
            self._require_own(request.access_port)
        entry = self._entry(node)
        if entry is None:
            raise RestError(404, f"{node.identifier} is not attached to {self._mag.name}")
        if request.link_layer_address not in (None, entry.link_layer_address):
            address = format_link_layer(entry.link_layer_address)
            raise RestError(404, f"{node.identifier} has the link-layer address {address} here")
        place = self._port_name(entry.port)
        if request.access_port not in (None, place):
            raise RestError(404, f"{node.identifier} is not on access port {request.access_port} but on {place}")
        self._driver.dispatch(self._machine.depart, entry.link_layer_address)
        return self._binding(entry)

    def _mobile_node(self, request: NodeRequest) -> MobileNode:
        """The node of that identity, or else of the link-layer address that it has now, or in the profile."""
        identifier, address = request.identifier, request.link_layer_address
        if identifier is None and address is not None:
            policy = self._machine.policy(address)
            identifier = None if policy is None else policy.identifier.decode()
        for node in self._profile.mobile_nodes:
            if node.identifier == identifier:
                return node
        place = "link_layer_address" if request.identifier is None else "identifier"
        value = request.model_dump(mode="json")[place]
        raise RestError(400, f"{place}: no mobile node of the profile is {value!r}")

    def _require_own(self, access_port: str) -> None:
        if access_port not in self._mag.access_ports:
            allowed = ", ".join(self._mag.access_ports)
            raise RestError(
                400, f"access_port: {self._mag.name} has no access port {access_port!r}; allowed: {allowed}"
            )

    def _entry(self, node: MobileNode) -> BindingUpdateEntry | None:
        for entry in self._machine.bindings:
            if entry.policy.identifier == node.identifier.encode():
                return entry
        return None

    def _port_name(self, number: int) -> str | None:
        return next((name for name, port in self._access.ports.items() if port.number == number), None)

    def _binding(self, entry: BindingUpdateEntry) -> Document:
        return {
            "identifier": entry.policy.identifier.decode(errors="replace"),
            "link_layer_address": format_link_layer(entry.link_layer_address),
            "access_port": self._port_name(entry.port),
            "port": entry.port,
            "state": entry.state.name.lower(),
            "prefixes": [str(prefix) for prefix in entry.prefixes],
            "anchor": self._name(entry.anchor),
            "expires": self._wall(entry.expires) if entry.prefixes else None,
        }
