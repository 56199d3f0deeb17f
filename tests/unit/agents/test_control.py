"""What agents show and obey, without sockets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from webob import Request

from ryu_pmipls.agents.anchor_api import AnchorControl
from ryu_pmipls.agents.api import AgentApi, GatewayControl
from ryu_pmipls.agents.configuration import anchor_config, gateway_config
from ryu_pmipls.domain.profile import Certificates, Profile, load_profile
from ryu_pmipls.http.access.roles import Client, UnixUser
from ryu_pmipls.http.application import CLIENT
from ryu_pmipls.mobility import LocalMobilityAnchor, MobileAccessGateway, Send
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.pki.authority import Authority, establish
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names
from ryu_pmipls.wire import (
    BindingUpdate,
    CoreRouting,
    Encapsulation,
    Heartbeat,
    HeartbeatFlag,
    RestartCounter,
    TunnelAck,
    TunnelRequest,
)
from tests.fakes.clocks import FixedClock

PROFILE = load_profile("two-lma")
MAG, LMA = PROFILE.mags[0], PROFILE.lmas[0]
MN1, MN2 = PROFILE.mobile_nodes[:2]
NOW = 1_700_000_000.0


class FakeDriver:
    """Lets events happen; what follows from them can be looked at."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.clock = FixedClock(NOW)
        self.counters = Counter({"access: unknown mobile node": 7})
        self.effects: list[Any] = []

    def clock_skews(self) -> dict[IPv6Address, float]:
        return self.machine.clock_skews(self.clock.now)

    def dispatch(self, event: Callable[..., object], *arguments: object) -> None:
        event(*arguments, NOW)
        self.effects += self.machine.effects()


#: Who may command an agent at its Unix socket.
ROOT = Client(user=UnixUser(0))


@dataclass
class Port:
    number: int
    up: bool
    mtu: int = 1500


class FakeAccess:
    def __init__(self) -> None:
        self.ports = {"acc1": Port(1, True), "acc2": Port(2, True), "acc3": Port(3, False)}


class Agent:
    """A control and what is behind it."""

    def __init__(
        self, control: AgentApi, driver: FakeDriver, host: Any, routing: Any = None, leases: Any = None
    ) -> None:
        self.control = control
        self.driver = driver
        self.host = host
        self.routing = routing
        self.leases = leases

    def ask(self, path: str, document: Any = None, body: bytes | None = None) -> tuple[int, Any]:
        if document is not None:
            body = json.dumps(document).encode()
        method = "GET" if body is None else "POST"
        request = Request.blank(f"/v1{path}", method=method, body=body or b"", content_type="application/json")
        request.environ[CLIENT] = ROOT
        response = request.get_response(self.control.application)
        return response.status_int, json.loads(response.body)

    def refusal(self, path: str, document: Any) -> tuple[int, str]:
        status, answer = self.ask(path, document)
        return status, answer["error"]["message"]


def untouched() -> Any:
    """A host that is as it was set up."""
    return SimpleNamespace(changes=[], disk=SimpleNamespace(fault=None))


@pytest.fixture
def mag(tmp_path: Path) -> Agent:
    return new_mag(PROFILE, tmp_path)


@pytest.fixture
def lma(tmp_path: Path) -> Agent:
    return new_lma(PROFILE, tmp_path)


def new_mag(profile: Profile, state: Path) -> Agent:
    machine = MobileAccessGateway(gateway_config(PROFILE, MAG, Encapsulation.GRE))
    driver: Any = FakeDriver(machine)
    access: Any = FakeAccess()

    def attached(link_layer_address: bytes, port: int) -> None:
        driver.dispatch(machine.attach, link_layer_address, port)

    host = untouched()
    return Agent(GatewayControl(profile, MAG, driver, host, host.disk, state, machine, access, attached), driver, host)


def new_lma(profile: Profile, state: Path) -> Agent:
    machine = LocalMobilityAnchor(anchor_config(PROFILE, LMA, Encapsulation.GRE))
    driver: Any = FakeDriver(machine)
    routing: Any = SimpleNamespace(status=None, cause="")
    leases: Any = SimpleNamespace(fault=None)
    host = untouched()
    return Agent(
        AnchorControl(profile, LMA, driver, host, host.disk, state, machine, routing, leases),
        driver,
        host,
        routing,
        leases,
    )


def attach_mn1(mag: Agent, lma: Agent) -> str:
    """Attach a mobile node and let its LMA accept it; its prefix."""
    mag.ask("/attach", {"access_port": "acc1", "identifier": MN1.identifier})
    (update,) = [effect.message for effect in mag.driver.effects if isinstance(effect, Send)]
    lma.driver.dispatch(lma.driver.machine.receive, update, MAG.address)
    (answer,) = [effect.message for effect in lma.driver.effects if isinstance(effect, Send)]
    mag.driver.effects.clear()
    lma.driver.effects.clear()
    mag.driver.dispatch(mag.driver.machine.receive, answer, LMA.address)
    (prefix,) = mag.ask("/bindings")[1][0]["prefixes"]
    assert IPv6Network(prefix).subnet_of(PROFILE.home_prefix_pool)
    return prefix


class TestBoth:
    @pytest.mark.parametrize(
        ("role", "resources", "commands"),
        [
            (
                "mag",
                {"health", "tunnels", "peers", "ipsec", "bindings", "uplinks", "access-ports", "contested-ports"},
                {"attach", "detach"},
            ),
            (
                "lma",
                {"health", "tunnels", "peers", "ipsec", "bindings", "routes", "sessions"},
                {"revoke", "drain", "undrain"},
            ),
        ],
    )
    def test_the_index_lists_what_there_is(
        self, role: str, resources: set[str], commands: set[str], request: pytest.FixtureRequest
    ) -> None:
        agent: Agent = request.getfixturevalue(role)
        status, index = agent.ask("")
        assert (status, index["role"], index["name"], index["domain"]) == (200, role, f"{role}1", "two-lma")
        assert set(index["resources"]) == {f"/v1/{name}" for name in resources}
        assert set(index["commands"]) == {f"/v1/{name}" for name in commands}
        for path in index["resources"]:
            assert agent.ask(path.removeprefix("/v1"))[0] == 200
        for path in index["commands"]:
            assert agent.ask(path.removeprefix("/v1"))[0] == 405

    def test_health_depends_on_the_tunnels(self, lma: Agent) -> None:
        _, health = lma.ask("/health")
        assert (health["status"], health["bindings"], health["time"]) == ("degraded", 0, NOW)
        assert health["counters"] == {"access: unknown mobile node": 7}
        for mag in PROFILE.mags:
            lma.driver.dispatch(lma.driver.machine.receive, TunnelRequest(mag.address), mag.address)
            lma.driver.dispatch(lma.driver.machine.tunnel_built, mag.address)
        assert lma.ask("/health")[1]["status"] == "ok"

    def test_health_names_clocks_by_which_registrations_are_refused(self, mag: Agent, lma: Agent) -> None:
        def clocks(agent: Agent) -> list[str]:
            return [reason for reason in agent.ask("/health")[1]["reasons"] if "clock" in reason]

        mag.ask("/attach", {"access_port": "acc1", "identifier": MN1.identifier})
        (update,) = [effect.message for effect in mag.driver.effects if isinstance(effect, Send)]
        lma.driver.clock.now += 120
        lma.driver.machine.receive(update, MAG.address, NOW + 120)
        assert clocks(lma) == ["timestamps are refused: the clock of mag1 is 120.0 s behind this one"]
        (refusal,) = [effect.message for effect in lma.driver.machine.effects() if isinstance(effect, Send)]
        mag.driver.dispatch(mag.driver.machine.receive, refusal, LMA.address)
        assert clocks(mag) == ["timestamps are refused: the clock of lma1 is 120.0 s ahead of this one"]
        mag.driver.clock.now += 100
        assert clocks(mag) == []

    def test_health_names_what_is_wrong_with_the_certificate(self, tmp_path: Path) -> None:
        folder = Folder(tmp_path)
        profile = PROFILE.model_copy(update={"certificates": Certificates(folder=tmp_path)})
        began = datetime.fromtimestamp(NOW, timezone.utc)
        establish(folder, folder.authority_key, PROFILE.domain, began)
        authority = Authority.open(folder, folder.authority_key, PROFILE.domain, node_names(PROFILE), began)
        for node in (MAG, LMA):
            authority.issue(node.name)
        mag, lma = new_mag(profile, tmp_path), new_lma(profile, tmp_path)
        for agent, node in ((mag, MAG), (lma, LMA)):
            assert [reason for reason in agent.ask("/health")[1]["reasons"] if "certificate" in reason] == []
            agent.driver.clock.now += 366 * 86400
            (reason,) = [reason for reason in agent.ask("/health")[1]["reasons"] if "certificate" in reason]
            assert reason.startswith(
                f"the certificate of {node.name} expired on 2024-11-13 22:13 UTC: 'pmipls pki renew"
            )

    def test_health_names_what_others_have_changed_on_the_host(self, lma: Agent) -> None:
        before = lma.ask("/health")[1]["reasons"]
        lma.host.changes = ["this host is not as it was set up: core has generic-receive-offload on"]
        assert lma.ask("/health")[1]["reasons"] == [*before, *lma.host.changes]

    def test_health_names_the_tunnels_that_are_not_up(self, lma: Agent) -> None:
        assert lma.ask("/health")[1]["reasons"] == ["the tunnel to mag1 is not up", "the tunnel to mag2 is not up"]

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (CoreRouting.BGP_DOWN, "it gets no downlink: the cause"),
            (CoreRouting.UNWATCHED, "the core would not notice its death: the cause"),
            (CoreRouting.ANNOUNCED, None),
            (CoreRouting.DRAINED, None),
            (None, None),
        ],
    )
    def test_health_of_an_lma_names_what_keeps_downlink_away(
        self, lma: Agent, status: CoreRouting | None, reason: str | None
    ) -> None:
        for mag in PROFILE.mags:
            lma.driver.dispatch(lma.driver.machine.receive, TunnelRequest(mag.address), mag.address)
            lma.driver.dispatch(lma.driver.machine.tunnel_built, mag.address)
        lma.routing.status, lma.routing.cause = status, "the cause"
        _, health = lma.ask("/health")
        assert health["reasons"] == ([] if reason is None else [reason])
        assert health["status"] == ("ok" if reason is None else "degraded")
        assert health["downlink"] == ("unknown" if status is None else status.word)

    def test_health_says_that_nothing_can_be_stored(self, mag: Agent) -> None:
        mag.host.disk.fault = "nothing can be stored in /var/lib/pmipls/mag1: No space left on device"
        _, health = mag.ask("/health")
        assert health["status"] == "degraded" and health["reasons"][-1] == mag.host.disk.fault

    def test_health_of_an_lma_says_that_leases_cannot_be_kept(self, lma: Agent) -> None:
        lma.leases.fault = "No space left on device"
        _, health = lma.ask("/health")
        assert health["status"] == "degraded"
        assert health["reasons"][0] == (
            "new sessions get no answer: their leases cannot be kept: No space left on device"
        )

    def test_tunnels_have_names(self, mag: Agent) -> None:
        mag.driver.dispatch(mag.driver.machine.receive, TunnelAck(LMA.address), LMA.address)
        assert mag.ask("/tunnels")[1] == [
            {"peer": "lma1", "address": str(LMA.address), "state": "building"},
            {"peer": "lma2", "address": str(PROFILE.lmas[1].address), "state": "idle"},
        ]

    def test_peers_are_what_heartbeats_tell(self, lma: Agent) -> None:
        response = Heartbeat(0, HeartbeatFlag.U | HeartbeatFlag.R, options=(RestartCounter(4),))
        lma.driver.dispatch(lma.driver.machine.receive, response, MAG.address)
        heard, silent = lma.ask("/peers")[1]
        assert heard == {
            "peer": "mag1",
            "address": str(MAG.address),
            "lost": False,
            "last_heard": NOW,
            "missed": 0,
            "restart_counter": 4,
            "understands_heartbeats": True,
        }
        assert (silent["peer"], silent["last_heard"], silent["restart_counter"]) == ("mag2", None, None)

    @pytest.mark.parametrize(
        ("body", "word"),
        [(b"", "not JSON"), (b"{", "not JSON"), (b"\xff", "not JSON"), (b"[]", "not an object"), (b"[" * 60000, "not")],
        ids=["empty", "cut short", "no text", "list", "deep"],
    )
    def test_what_is_no_json_object_is_refused(self, mag: Agent, body: bytes, word: str) -> None:
        status, answer = mag.ask("/attach", body=body)
        assert status == 400 and word in answer["error"]["message"]
        assert mag.driver.effects == []

    def test_what_any_web_page_could_send_is_refused(self, lma: Agent) -> None:
        request = Request.blank("/v1/drain", method="POST", body=b"{}", content_type="text/plain")
        request.environ[CLIENT] = ROOT
        response = request.get_response(lma.control.application)
        assert response.status_int == 415
        assert lma.ask("/sessions")[1]["draining"] is False


class TestGateway:
    @pytest.mark.parametrize(
        "name",
        [
            {"identifier": MN2.identifier},
            {"link_layer_address": "02:00:00:00:01:02"},
            {"identifier": MN2.identifier, "link_layer_address": "02:00:00:00:01:02"},
        ],
        ids=["identifier", "link-layer address", "both"],
    )
    def test_attach_registers(self, mag: Agent, name: dict[str, str]) -> None:
        status, binding = mag.ask("/attach", {"access_port": "acc2", **name})
        assert status == 200
        assert binding == {
            "identifier": MN2.identifier,
            "link_layer_address": "02:00:00:00:01:02",
            "access_port": "acc2",
            "port": 2,
            "state": "registering",
            "prefixes": [],
            "anchor": "lma1",
            "expires": None,
        }
        (effect,) = mag.driver.effects
        assert isinstance(effect.message, BindingUpdate) and effect.destination == LMA.address
        assert mag.ask("/bindings") == (200, [binding])

    def test_identity_counts_whatever_the_link_layer_address(self, mag: Agent, lma: Agent) -> None:
        """As with a host that gives itself another one at each access point (RFC 5213, section 6.6)."""
        prefix = attach_mn1(mag, lma)
        for address in ("0a:00:00:00:00:01", "0a:00:00:00:00:02"):
            document = {"access_port": "acc2", "identifier": MN1.identifier, "link_layer_address": address}
            status, binding = mag.ask("/attach", document)
            assert (status, binding["link_layer_address"], binding["prefixes"]) == (200, address, [prefix])
            assert mag.ask("/bindings") == (200, [binding])
        # Its address alone will do now, for access points that know no more of a station that leaves.
        assert mag.refusal("/detach", {"link_layer_address": "0a:00:00:00:00:01"})[0] == 400
        assert mag.ask("/attach", {"access_port": "acc1", "identifier": MN1.identifier})[1]["link_layer_address"] == (
            "0a:00:00:00:00:02"
        )
        wrong = {"identifier": MN1.identifier, "link_layer_address": "02:00:00:00:01:01"}
        assert mag.refusal("/detach", wrong) == (
            404,
            "mn1@example.net has the link-layer address 0a:00:00:00:00:02 here",
        )
        status, binding = mag.ask("/detach", {"link_layer_address": "0a:00:00:00:00:02"})
        assert (status, binding["state"], binding["identifier"]) == (200, "deregistering", MN1.identifier)

    def test_attaching_again_is_no_fault(self, mag: Agent, lma: Agent) -> None:
        prefix = attach_mn1(mag, lma)
        status, binding = mag.ask("/attach", {"access_port": "acc1", "identifier": MN1.identifier})
        assert (status, binding["prefixes"]) == (200, [prefix])

    def test_a_binding_in_full(self, mag: Agent, lma: Agent) -> None:
        prefix = attach_mn1(mag, lma)
        (binding,) = mag.ask("/bindings")[1]
        assert (binding["state"], binding["prefixes"], binding["expires"]) == ("bound", [prefix], NOW + 3600)

    @pytest.mark.parametrize(
        ("document", "status", "words"),
        [
            ({}, 400, ["access_port", "required"]),
            ({"access_port": "acc1"}, 400, ["identifier, link_layer_address or both"]),
            ({"access_port": "acc9", "identifier": MN1.identifier}, 400, ["access_port", "acc1, acc2, acc3"]),
            ({"access_port": "acc3", "identifier": MN1.identifier}, 409, ["acc3 is down"]),
            ({"access_port": "acc1", "identifier": "nobody"}, 400, ["identifier", "'nobody'"]),
            (
                {"access_port": "acc1", "identifier": "nobody", "link_layer_address": "02:00:00:00:01:02"},
                400,
                ["identifier: no mobile node of the profile is 'nobody'"],
            ),
            (
                {"access_port": "acc1", "link_layer_address": "0a:00:00:00:00:01"},
                400,
                ["link_layer_address: no mobile node of the profile is '0a:00:00:00:00:01'"],
            ),
            ({"access_port": "acc1", "link_layer_address": "2"}, 400, ["link_layer_address", "02:00:00:00:01:01"]),
            ({"access_port": "acc1", "link_layer_address": 2}, 400, ["link_layer_address", "02:00:00:00:01:01"]),
            ({"access_port": 1, "identifier": MN1.identifier}, 400, ["access_port", "string"]),
            (
                {"access_port": "acc1", "identifier": MN1.identifier, "port": 1},
                400,
                ["port: unknown key; allowed: identifier, link_layer_address, access_port"],
            ),
        ],
    )
    def test_wrong_input_is_answered_with_what_is_right(
        self, mag: Agent, document: dict[str, Any], status: int, words: list[str]
    ) -> None:
        found, message = mag.refusal("/attach", document)
        assert found == status and all(word in message for word in words), message
        assert "\n" not in message
        assert mag.driver.effects == [] and mag.ask("/bindings") == (200, [])

    def test_who_is_barred_gets_no_service(self, mag: Agent) -> None:
        machine: Any = mag.driver.machine
        machine._sessions._refusals._barred[MN1.identifier.encode()] = LMA.address
        status, message = mag.refusal("/attach", {"access_port": "acc1", "identifier": MN1.identifier})
        assert (status, message) == (409, "mn1@example.net gets no service here; the log of mag1 says why")

    @pytest.mark.parametrize("port", [{}, {"access_port": "acc1"}])
    def test_detach_deregisters(self, mag: Agent, lma: Agent, port: dict[str, str]) -> None:
        attach_mn1(mag, lma)
        mag.driver.effects.clear()
        status, binding = mag.ask("/detach", {"identifier": MN1.identifier, **port})
        assert (status, binding["state"], binding["prefixes"]) == (200, "deregistering", [])
        (update,) = [effect.message for effect in mag.driver.effects if isinstance(effect, Send)]
        assert update.lifetime == 0

    def test_a_late_word_of_the_port_that_a_node_has_left_is_ignored(self, mag: Agent, lma: Agent) -> None:
        attach_mn1(mag, lma)
        status, message = mag.refusal("/detach", {"identifier": MN1.identifier, "access_port": "acc2"})
        assert (status, message) == (404, "mn1@example.net is not on access port acc2 but on acc1")
        assert mag.ask("/bindings")[1][0]["state"] == "bound"

    def test_who_is_not_there_cannot_leave(self, mag: Agent) -> None:
        status, message = mag.refusal("/detach", {"link_layer_address": "02:00:00:00:01:01"})
        assert (status, message) == (404, "mn1@example.net is not attached to mag1")
        assert mag.refusal("/detach", {"identifier": MN1.identifier, "access_port": "acc9"})[0] == 400

    def test_a_port_that_claims_a_node_which_is_elsewhere_is_shown(self, mag: Agent, lma: Agent) -> None:
        attach_mn1(mag, lma)
        assert mag.ask("/contested-ports") == (200, [])
        machine: Any = mag.driver.machine
        mag.driver.dispatch(machine.attach, MN1.link_layer_address, 2)
        mag.driver.dispatch(machine.answered, MN1.link_layer_address, 1)
        assert mag.ask("/contested-ports")[1] == [
            {
                "access_port": "acc2",
                "port": 2,
                "link_layer_address": "02:00:00:00:01:01",
                "false_claims": 1,
                "last": NOW,
                "held_until": NOW + 1,
            }
        ]
        reasons = mag.ask("/health")[1]["reasons"]
        assert "access port acc2 has claimed 02:00:00:00:01:01, which was elsewhere, 1 times" in reasons
        assert mag.ask("/bindings")[1][0]["access_port"] == "acc1"

    def test_ports_and_uplinks(self, mag: Agent) -> None:
        control: Any = mag.control
        del control._access.ports["acc2"]
        assert mag.ask("/access-ports")[1] == [
            {"name": "acc1", "port": 1, "up": True, "mtu": 1500},
            {"name": "acc2", "port": None, "up": False, "mtu": None},
            {"name": "acc3", "port": 3, "up": False, "mtu": 1500},
        ]
        assert mag.ask("/uplinks")[1] == {"lma1": 0.5, "lma2": 0.5}


class TestAnchor:
    def test_a_binding_in_full(self, mag: Agent, lma: Agent) -> None:
        prefix = attach_mn1(mag, lma)
        assert lma.ask("/bindings")[1] == [
            {
                "identifier": MN1.identifier,
                "link_layer_address": "02:00:00:00:01:01",
                "prefixes": [prefix],
                "mag": "mag1",
                "state": "bound",
                "expires": NOW + 3600,
            }
        ]

    def test_revoke(self, mag: Agent, lma: Agent) -> None:
        prefix = attach_mn1(mag, lma)
        status, answer = lma.ask("/revoke", {"identifier": MN1.identifier})
        assert (status, answer["revoked"][0]["prefixes"], answer["revoked"][0]["state"]) == (200, [prefix], "revoked")
        (effect,) = [effect for effect in lma.driver.effects if isinstance(effect, Send)]
        assert effect.destination == MAG.address

    @pytest.mark.parametrize(
        ("document", "status", "word"),
        [
            ({"identifier": "nobody"}, 404, "no session of nobody"),
            ({"identifier": ""}, 400, "identifier"),
            ({}, 400, "identifier"),
            ({"mn": "x"}, 400, "allowed: identifier"),
        ],
    )
    def test_what_cannot_be_revoked(self, lma: Agent, document: dict[str, str], status: int, word: str) -> None:
        found, message = lma.refusal("/revoke", document)
        assert found == status and word in message

    def test_drain_and_undrain(self, lma: Agent) -> None:
        here = {"draining": False, "new_sessions_at": "lma1"}
        assert lma.ask("/drain", {}) == (200, {"draining": True, "new_sessions_at": "lma1"})
        assert lma.ask("/undrain", {}) == (200, here) == lma.ask("/sessions")
        assert lma.refusal("/drain", {"gently": True})[0] == 400
        assert lma.ask("/sessions") == (200, here)

    def test_routes(self, lma: Agent) -> None:
        assert lma.ask("/routes") == (200, {})
        assert lma.control._name(IPv6Address("fd00::dead")) == "fd00::dead"  # what is not in the profile
