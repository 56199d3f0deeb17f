"""The control of an LMA's agent."""

from __future__ import annotations

from heapq import nsmallest
from ipaddress import IPv6Address
from pathlib import Path

from pydantic import Field

from ryu_pmipls.agents.api import OPERATE, READ, AgentApi, Document
from ryu_pmipls.agents.core_routing import CoreRoutingWatch
from ryu_pmipls.agents.disk_trial import DiskTrial
from ryu_pmipls.agents.driver import Driver
from ryu_pmipls.agents.host_watch import HostWatch
from ryu_pmipls.agents.lease_file import LeaseFile
from ryu_pmipls.domain.profile import Lma, Profile, format_link_layer
from ryu_pmipls.http.application import Page, Pages, RestError
from ryu_pmipls.http.pages import page_of
from ryu_pmipls.http.requests import Nothing, RequestModel, read
from ryu_pmipls.mobility import BindingCacheEntry, LocalMobilityAnchor
from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH


class Revoke(RequestModel):
    identifier: str = Field(min_length=1)


class AnchorControl(AgentApi):
    """The control of an LMA."""

    role = "lma"

    def __init__(
        self,
        profile: Profile,
        lma: Lma,
        driver: Driver,
        host: HostWatch,
        disk: DiskTrial,
        state: Path,
        machine: LocalMobilityAnchor,
        routing: CoreRoutingWatch,
        leases: LeaseFile,
    ) -> None:
        super().__init__(profile, lma, driver, host, disk, state)
        self._machine = machine
        self._routing = routing
        self._leases = leases
        self._add_resource("bindings", READ, Pages(self.bindings))
        self._add_resource("routes", READ, Pages(self.routes))
        self._add_resource("sessions", READ, self.sessions)
        self._add_command("revoke", OPERATE, self.revoke)
        self._add_command("drain", OPERATE, self.drain)
        self._add_command("undrain", OPERATE, self.undrain)

    def bindings(self, limit: int, after: str | None) -> Page:
        return page_of(self._machine.bindings, _session_name, self._binding, limit, after)

    def routes(self, limit: int, after: str | None) -> Page:
        """Prefix -> MAG, as the RMS has announced it, in the order of the prefixes."""
        last = -1 if after is None else _prefix_number(after)
        routes = self._machine.routes
        found = nsmallest(limit + 1, (prefix for prefix in routes if int(prefix) > last), key=int)
        document = {f"{prefix}/{ROUTE_PREFIX_LENGTH}": self._name(routes[prefix]) for prefix in found[:limit]}
        return Page(document, f"{found[limit - 1]}/{ROUTE_PREFIX_LENGTH}" if len(found) > limit else None)

    def health(self) -> Document:
        status = self._routing.status
        return super().health() | {"downlink": "unknown" if status is None else status.word}

    def reasons(self) -> list[str]:
        reasons = super().reasons()
        status = self._routing.status
        if status is not None and status.is_fault:
            effect = "the core would not notice its death" if status.carries_traffic else "it gets no downlink"
            reasons.insert(0, f"{effect}: {self._routing.cause}")
        if self._leases.fault is not None:
            fault = f"new sessions get no answer: their leases cannot be kept: {self._leases.fault}"
            reasons.insert(0, fault)
        return reasons

    def sessions(self) -> Document:
        """Show this LMA's willingness to take new sessions, and the LMA that takes them if this one does not."""
        other = self._machine.new_sessions_at
        return {
            "draining": self._machine.draining,
            "new_sessions_at": self._node.name if other is None else self._name(other),
        }

    def revoke(self, document: Document) -> Document:
        """End the sessions of a mobile node."""
        identifier = read(Revoke, document).identifier
        entries = [entry for entry in self._machine.bindings if entry.identifier.identifier == identifier.encode()]
        if not entries:
            raise RestError(404, f"there is no session of {identifier}")
        self._driver.dispatch(self._machine.revoke, identifier.encode())
        return {"revoked": [self._binding(entry) for entry in entries]}

    def drain(self, document: Document) -> Document:
        """Give up all sessions: the MAGs take theirs elsewhere."""
        read(Nothing, document)
        self._driver.dispatch(self._machine.drain)
        return self.sessions()

    def undrain(self, document: Document) -> Document:
        """Take sessions again."""
        read(Nothing, document)
        self._driver.dispatch(self._machine.undrain)
        return self.sessions()

    def _binding(self, entry: BindingCacheEntry) -> Document:
        link_layer = entry.link_layer_identifier
        return {
            "identifier": entry.identifier.identifier.decode(errors="replace"),
            "link_layer_address": format_link_layer(link_layer) if link_layer else None,
            "prefixes": [str(prefix) for prefix in entry.prefixes],
            "mag": self._name(entry.care_of_address),
            "state": "revoked" if entry.revoked else "leaving" if entry.leaving else "bound",
            "expires": self._wall(entry.expires),
        }


def _session_name(entry: BindingCacheEntry) -> str:
    """The identifier, and the interface: a mobile node may have a session for each."""
    return f"{entry.identifier.identifier.decode(errors='replace')}/{(entry.link_layer_identifier or b'').hex()}"


def _prefix_number(text: str) -> int:
    try:
        return int(IPv6Address(text.partition("/")[0]))
    except ValueError:
        raise RestError(400, f"after: {text!r} is no prefix") from None
