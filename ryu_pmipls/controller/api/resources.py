"""Resources and commands of the RMS as JSON documents; times are seconds since 1970, ages seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from ryu_pmipls import __version__
from ryu_pmipls.controller.api.pages_in_turns import home_prefix, page_in_turns, page_of_prefixes
from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.failure_detection import FailureDetection
from ryu_pmipls.controller.health import HealthControl
from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.operator_commands import OperatorCommands, RefusedError
from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import format_link_layer
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.application import Command, Page, Pages, Resource, RestApplication, RestError
from ryu_pmipls.http.requests import Nothing, RequestModel, read
from ryu_pmipls.ipsec.watch import AssociationWatch
from ryu_pmipls.loadsharing import POLICIES, Incident, PolicyName, Record, weights

Document = dict[str, Any]

READ, OPERATE = AccessRole.READ, AccessRole.OPERATE


class Adjust(RequestModel):
    """The LMA to which all uplinks of a MAG must go."""

    lma: str


class ChoosePolicy(RequestModel):
    """The policy to decide by from now on; null: the profile's."""

    policy: PolicyName | None


class DryRun(RequestModel):
    """A trial decision: by another policy, or as if these LMAs were drained."""

    policy: PolicyName | None = None
    drain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resources:
    """The resources of one RMS, over the live objects that hold its state."""

    context: Context
    new_sessions: NewSessions
    failures: FailureDetection
    operator: OperatorCommands
    health_control: HealthControl
    associations: AssociationWatch
    refused: Mapping[str, int]  # datagrams and messages that were dropped, by reason

    def resources(self) -> dict[str, tuple[AccessRole, Resource | Pages]]:
        """Resources to GET, by their path below ``/v1``, each with the role that it needs."""
        return {
            "health": (READ, self.health),
            "load-list": (READ, self.loads),
            "lmas": (READ, Pages(self.lmas)),
            "lmas/{name}": (READ, self.lma),
            "mags": (READ, Pages(self.mags)),
            "mags/{name}": (READ, Pages(self.mag)),
            "tunnels": (READ, Pages(self.tunnels)),
            "bindings": (READ, Pages(self.all_bindings)),
            "bindings/{prefix}": (READ, self.binding),
            "bindings/{prefix}/64": (READ, self.binding),  # the length is a part of the path
            "decisions": (READ, Pages(self.decisions)),
            "decisions/{id}": (READ, self.decision),
            "incidents": (READ, Pages(self.all_incidents)),
            "policy": (READ, self.policy),
            "ipsec": (READ, self.associations.document),
        }

    def commands(self) -> dict[str, tuple[AccessRole, Command]]:
        """Resources to POST, by their path below ``/v1``; a command that changes nothing needs the role to read."""
        return {
            "lmas/{name}/drain": (OPERATE, self.drain),
            "lmas/{name}/undrain": (OPERATE, self.undrain),
            "mags/{name}/adjust": (OPERATE, self.adjust),
            "dry-run": (READ, self.dry_run),
            "policy": (OPERATE, self.choose_policy),
        }

    def register(self, application: RestApplication) -> None:
        """Put every resource and every command at its path."""
        application.serve("/v1", READ, self.index)
        for path, (role, resource) in self.resources().items():
            application.serve(f"/v1/{path}", role, resource)
        for path, (role, command) in self.commands().items():
            application.obey(f"/v1/{path}", role, command)

    def index(self) -> Document:
        return {
            "domain": self.context.profile.domain,
            "version": __version__,
            "resources": [f"/v1/{path}" for path in self.resources() if "{" not in path],
            "commands": [f"/v1/{path}" for path in self.commands()],
        }

    def health(self) -> Document:
        """``ok`` if the RMS sees nothing wrong with the domain's traffic; else ``degraded``."""
        switches = self.context.switches
        reasons = self.health_control.reasons()
        return {
            "status": "degraded" if reasons else "ok",
            "reasons": [asdict(reason) for reason in reasons],
            "domain": self.context.profile.domain,
            "version": __version__,
            "time": self.context.clock.wall(self.context.clock()),
            "switches": {switch.name: switch.state.value for switch in switches},
            "downlink": {lma: self._downlink(lma) for lma in switches.lmas},
            "switch_errors": {switch.name: dict(switch.errors) for switch in switches if switch.errors},
            "bindings": len(self.context.state.bindings),
            "refused": dict(self.refused),
        }

    def loads(self) -> Document:
        now = self.context.clock()
        return replace(self.context.load_list.snapshot(now), time=self.context.clock.wall(now)).to_document()

    def lmas(self, limit: int, after: str | None) -> Page:
        return page_in_turns(self.context.switches.lmas.values(), _name, self._lma, limit, after)

    def lma(self, name: str) -> Document:
        switch = self.context.switches.lmas[self.context.profile.lma(name).name]
        return self._lma(switch) | {"load": self.context.load_list.snapshot(self.context.clock()).entry_document(name)}

    def mags(self, limit: int, after: str | None) -> Page:
        return page_in_turns(self.context.switches.mags.values(), _name, self._mag, limit, after)

    def mag(self, name: str, limit: int, after: str | None) -> Page:
        """A MAG with its bindings, of which there may be many."""
        switch = self.context.switches.mags[self.context.profile.mag(name).name]
        page = page_of_prefixes(self.context.state.bindings.prefixes(name), self._attached, limit, after)
        return Page(self._mag(switch) | {"bindings": page.document}, page.after)

    def tunnels(self, limit: int, after: str | None) -> Page:
        return page_in_turns(self.context.switches.tunnels(), _ends, _tunnel, limit, after)

    def all_bindings(self, limit: int, after: str | None) -> Page:
        return page_of_prefixes(self.context.state.bindings.each_prefix(), self._attached, limit, after)

    def binding(self, prefix: str) -> Document:
        """The binding of ``prefix``, with its traffic as counted now."""
        found = self.context.state.bindings.get(home_prefix(prefix))
        if found is None or found.mag is None:
            raise KeyError(f"no mobile node with the prefix {prefix} is attached")
        up, down = self.context.switches.traffic(found)
        return _binding(found) | {
            "uplink_packets": None if up is None else up.packets,
            "uplink_octets": None if up is None else up.octets,
            "downlink_packets": None if down is None else down.packets,
            "downlink_octets": None if down is None else down.octets,
        }

    def decisions(self, limit: int, after: str | None) -> Page:
        return page_in_turns(self.context.state.journal, lambda record: record.decision.id, _decision, limit, after)

    def decision(self, id: str) -> Document:  # the name of the path's variable part
        if id not in self.context.state.journal:
            raise KeyError(f"no decision has the id {id}")
        record = self.context.state.journal[id]
        return _decision(record) | {"inputs": self.context.state.inputs_of(record.decision)}

    # The operator's commands.

    def drain(self, document: Document, name: str) -> Document:
        read(Nothing, document)
        with _refusals():
            self.operator.drain(name)
        return self.lma(name)

    def undrain(self, document: Document, name: str) -> Document:
        read(Nothing, document)
        with _refusals():
            self.operator.undrain(name)
        return self.lma(name)

    def adjust(self, document: Document, name: str) -> list[Document]:
        lma = read(Adjust, document).lma
        with _refusals():
            decisions = self.operator.adjust(name, lma)
        return [_decision(self.context.state.journal[decision.id]) for decision in decisions]

    def policy(self) -> Document:
        return {
            "policy": self.context.state.settings.policy,
            "of_the_profile": self.context.profile.load_sharing.policy,
            "allowed": list(POLICIES),
            "settings": self.context.state.settings.to_document(),
        }

    def choose_policy(self, document: Document) -> Document:
        policy = read(ChoosePolicy, document).policy
        with _refusals():
            self.operator.choose_policy(policy)
        return self.policy()

    def dry_run(self, document: Document) -> Document:
        """Decide as of now, with reasons, but put nothing into force."""
        request = read(DryRun, document)
        if len(request.drain) > len(self.context.profile.lmas):
            raise RestError(400, f"drain: the domain has no more than {len(self.context.profile.lmas)} LMAs")
        outcome = self.operator.dry_run(request.policy, request.drain)
        return {
            "time": outcome.inputs.time,
            "policy": outcome.inputs.settings.policy,
            "decisions": [_decision(Record(decision)) for decision in outcome.decisions],
            "alarms": [asdict(alarm) for alarm in outcome.alarms],
            "outlook": None if outcome.outlook is None else asdict(outcome.outlook),
        }

    def all_incidents(self, limit: int, after: str | None) -> Page:
        return page_in_turns(self.context.state.incidents, _incident, asdict, limit, after)

    def _attached(self, prefix: bytes) -> Document | None:
        binding = self.context.state.bindings.get(prefix)
        return None if binding is None or binding.mag is None else _binding(binding)

    def _mag(self, switch: Switch) -> Document:
        return self._node(switch) | {"uplinks": self._uplinks(switch.name)}

    def _lma(self, switch: Switch) -> Document:
        name = switch.name
        return self._node(switch) | {
            "new_sessions_at": self.new_sessions.placement.targets[name],
            "signs_of_death": self.failures.signs(name),
            "drain": self._drain(name) if self.operator.is_drained(name) else None,
        }

    def _downlink(self, lma: str) -> str:
        status = self.health_control.downlink(lma)
        return "unknown" if status is None else status.word

    def _drain(self, lma: str) -> Document:
        waits_for = self.operator.waits_for(lma)
        return {"safe_to_stop": not waits_for, "waits_for": waits_for}

    def _uplinks(self, mag: str) -> Document:
        return {anchor: weights(slots) for anchor, slots in self.context.state.uplinks[mag].items()}

    def _node(self, switch: Switch) -> Document:
        node = switch.node
        return {
            "name": node.name,
            "address": str(node.address),
            "datapath_id": f"{node.datapath_id:016x}",
            "state": switch.state.value,
            "ports": dict(switch.ports),
            "errors": dict(switch.errors),
            "drifted": switch.inventory.drifted,
        }


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer 409 to a command that cannot be carried out now, 503 if the store cannot save it."""
    try:
        yield
    except RefusedError as error:
        raise RestError(409, str(error)) from None
    except StoreError as error:
        raise RestError(503, str(error)) from None


def _name(switch: Switch) -> str:
    return switch.name


def _ends(tunnel: tuple[Switch, Switch, bool]) -> str:
    mag, lma, _ = tunnel
    return f"{mag.name}/{lma.name}"


def _incident(incident: Incident) -> str:
    return f"{incident.time!r}/{incident.lma}/{incident.kind}"


def _tunnel(tunnel: tuple[Switch, Switch, bool]) -> Document:
    mag, lma, up = tunnel
    return {
        "mag": mag.name,
        "lma": lma.name,
        "up": up,
        "uplink_packets": _counter(lma, mag, "packets"),
        "uplink_octets": _counter(lma, mag, "octets"),
        "downlink_packets": _counter(mag, lma, "packets"),
        "downlink_octets": _counter(mag, lma, "octets"),
    }


def _counter(at: Switch, peer: Switch, field: str) -> int | None:
    traffic = at.counters.received.get(tunnel_port(peer.name))
    value: int | None = None if traffic is None else getattr(traffic, field)
    return value


def _binding(binding: Binding) -> Document:
    link_layer = binding.link_layer_address
    return {
        "prefix": str(binding.network),
        "identifier": binding.identifier,
        "link_layer_address": None if link_layer is None else format_link_layer(link_layer),
        "mag": binding.mag,
        "previous_mag": binding.previous_mag,
        "port": binding.port,
        "anchor": binding.anchor,
        "since": binding.timestamp / 65536,
    }


def _decision(record: Record) -> Document:
    decision = record.decision
    return {
        "id": decision.id,
        "round": decision.round,
        "time": decision.time,
        "mag": decision.mag,
        "old_lma": decision.old_lma,
        "new_lma": decision.new_lma,
        "slots": {anchor: list(numbers) for anchor, numbers in decision.slots.items()},
        "share": decision.share,
        "rate": decision.rate,
        "predicted_cpu": decision.predicted_cpu,
        "reason": decision.reason,
        "outcome": record.outcome.value,
        "answers": [asdict(answer) for answer in record.answers],
    }
