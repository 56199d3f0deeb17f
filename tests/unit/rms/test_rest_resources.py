"""Every resource of the RMS: its shape as docs/rest.md has it, and what wrong requests get."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import eventlet
import pytest
from eventlet.hubs import get_hub

from ryu_pmipls import __version__
from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.wire import CoreGateway
from tests.fakes.rms_domain import GATEWAY, RmsDomain

PAGE = Path(__file__).resolve().parents[3] / "docs" / "rest.md"


def samples() -> dict[str, Any]:
    """The documents of the page's section on the RMS, by their paths."""
    text = PAGE.read_text(encoding="utf-8").split("## Agents")[0]
    found = {}
    for path, block in re.findall(r"^### `(/v1/[^`]*)`\n\n((?:    .*\n|\n)+)", text, re.MULTILINE):
        block = re.sub(r'"\s*\n\s+(?=\()', " ", block)
        found[path] = json.loads(re.sub(r"\n\s{15,}", " ", block))
    return found


def shape(document: Any) -> Any:
    """Keys, and of lists the shape of the first item."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [shape(document[0])] if document else []
    return None


def test_the_index_names_every_path(domain: RmsDomain) -> None:
    index = domain.get("/v1")
    assert [*index] == ["domain", "version", "resources", "commands"]
    assert (index["domain"], index["version"]) == ("two-lma", __version__)
    resources = (
        "health",
        "load-list",
        "lmas",
        "mags",
        "tunnels",
        "bindings",
        "decisions",
        "incidents",
        "policy",
        "ipsec",
    )
    commands = ("lmas/{name}/drain", "lmas/{name}/undrain", "mags/{name}/adjust", "dry-run", "policy")
    assert index["resources"][: len(resources)] == [f"/v1/{name}" for name in resources]
    assert index["commands"][: len(commands)] == [f"/v1/{name}" for name in commands]
    for path in index["resources"]:
        assert domain.ask(path)[0] == 200
    _, answer = domain.ask("/nothing")
    served = {path for path in answer["error"]["resources"] if "{" not in path or path in index["commands"]}
    assert served == {*index["resources"], *index["commands"], "/v1"}


def test_health_has_the_shape_of_the_page_and_tells_the_state_of_switches(domain: RmsDomain) -> None:
    domain.keep_reporting({"lma1": 0.1, "lma2": 0.1}, {("mag1", "lma1"): 10})
    domain.until(lambda: domain.get("/v1/health")["status"] == "ok")
    health = domain.get("/v1/health")
    assert health["switches"] == dict.fromkeys(("mag1", "mag2", "lma1", "lma2"), "ready")
    assert health["downlink"] == {"lma1": "unknown", "lma2": "unknown"}
    assert (health["switch_errors"], health["bindings"], health["reasons"], health["refused"]) == ({}, 0, [], {})
    assert abs(health["time"] - domain.clock.wall()) < 0.1
    domain.switches["mag2"].disconnect()
    domain.until(lambda: domain.get("/v1/health")["status"] == "degraded")
    degraded = domain.get("/v1/health")
    assert shape(degraded | {"reasons": degraded["reasons"][:1]}) == shape(samples()["/v1/health"])
    assert degraded["switches"]["mag2"] == "disconnected"
    domain.switches["mag2"].hold_barriers = True
    domain.connect("mag2")
    domain.until(lambda: domain.get("/v1/health")["switches"]["mag2"] == "reconciling")
    (reason,) = domain.get("/v1/health")["reasons"]
    assert (reason["subject"], reason["text"]) == ("mag2", "the switch of mag2 is reconciling")
    domain.switches["mag2"].release_barriers()
    domain.until(lambda: domain.get("/v1/health")["status"] == "ok")


def test_the_load_list_has_the_shape_of_the_page(domain: RmsDomain) -> None:
    domain.keep_reporting({"lma1": 0.25, "lma2": 0.1}, {("mag1", "lma1"): 100, ("mag2", "lma2"): 10})
    domain.run(6)
    document = domain.get("/v1/load-list")
    assert shape(document) == shape(samples()["/v1/load-list"])
    load = document["lmas"][0]
    assert (load["lma"], load["state"], load["cpu"], load["source"]) == ("lma1", "light", 0.25, "openflow")
    assert load["packets"] == sum(mag["packets"] for mag in load["mags"]) > 100
    assert round(load["octets"] / 1000) == load["packets"]
    assert load["signalled_packets"] == 200
    assert load["cpu_age"] <= 1.1


def test_nodes_have_the_shape_of_the_page(domain: RmsDomain) -> None:
    domain.attach(1, "mag2", node=2)
    mag = domain.get("/v1/mags/mag2")
    wanted = samples()["/v1/mags/mag2"]
    assert {*mag} == {*wanted} and shape(mag["bindings"]) == shape(wanted["bindings"])
    assert (mag["name"], mag["address"], mag["datapath_id"], mag["state"]) == (
        "mag2",
        "fd00:5213::22",
        "0000000000000022",
        "ready",
    )
    assert mag["ports"] == {"acc1": 1, "acc2": 2, "acc3": 3, "t-lma1": 4, "t-lma2": 5, "icmp-1400": 6}
    assert (mag["errors"], mag["drifted"]) == ({}, 0)
    assert mag["uplinks"] == {"lma1": {"lma1": 32}, "lma2": {"lma2": 32}}
    assert domain.get("/v1/mags/mag1")["bindings"] == []
    without = {key: value for key, value in mag.items() if key != "bindings"}
    assert domain.get("/v1/mags")[1] == without
    (lma1, lma2) = domain.get("/v1/lmas")
    assert {*lma1} == {*wanted} - {"uplinks", "bindings"} | {"new_sessions_at", "signs_of_death", "drain"}
    assert (lma1["new_sessions_at"], lma2["new_sessions_at"]) == ("lma1", "lma2")
    one = domain.get("/v1/lmas/lma2")
    assert one.pop("load")["lma"] == "lma2"
    assert one == lma2


def test_bindings_are_told_in_the_order_of_prefixes_with_all_that_is_known(domain: RmsDomain) -> None:
    when = domain.clock.wall()
    domain.attach(3, "mag1", when=when, port=2, node=3, anchor="lma2")
    domain.attach(1, "mag2", node=1)
    domain.attach(2, "mag1")
    domain.report("mag1", 2, "mag1", None)
    domain.run(0.5)
    first, second = domain.get("/v1/bindings")
    assert first["prefix"] == "2001:db8:100:1::/64"
    assert second == {
        "prefix": "2001:db8:100:3::/64",
        "identifier": "mn3@example.net",
        "link_layer_address": "02:00:00:00:01:03",
        "mag": "mag1",
        "previous_mag": None,
        "port": 2,
        "anchor": "lma2",
        "since": int(when * 65536) / 65536,
    }


def test_a_binding_is_told_with_what_its_switch_counts_now(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    for entry in domain.switches["mag1"].entries():
        if (entry.table, entry.priority, entry.cookie >> 40 & 0xFF) == (1, 20, 2):
            entry.count(3, 300)
        if (entry.table, entry.priority, entry.cookie >> 40 & 0xFF) == (4, 10, 2):
            entry.count(5, 700)
    document = domain.get("/v1/bindings/2001:db8:100:1::")
    assert document["mag"] == "mag1"
    counted = [
        document[f"{way}link_{unit}"] for way, unit in (("up", "packets"), ("up", "octets"), ("down", "packets"))
    ]
    assert (*counted, document["downlink_octets"]) == (3, 300, 5, 700)
    domain.switches["mag1"].disconnect()
    domain.run(0.5)
    document = domain.get("/v1/bindings/2001:db8:100:1::")
    assert {document[f"{way}link_{unit}"] for way in ("up", "down") for unit in ("packets", "octets")} == {None}


def test_the_traffic_of_a_node_without_entries_is_unknown(domain: RmsDomain) -> None:
    domain.report("mag1", 3, None, "mag1", options=())  # a MAG that speaks only the draft, of a prefix that is fixed
    domain.run(0.5)
    assert domain.get("/v1/bindings/2001:db8:100:3::")["uplink_packets"] is None


def test_who_is_not_attached_is_not_found(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.report("mag1", 1, "mag1", None)
    domain.run(0.5)
    for prefix in ("2001:db8:100:1::", "2001:db8:100:2::"):
        status, answer = domain.ask(f"/v1/bindings/{prefix}")
        assert (status, answer["error"]["message"]) == (404, f"no mobile node with the prefix {prefix} is attached")


@pytest.mark.parametrize("prefix", ["nonsense", "2001:db8:100:1::1", "10.0.0.0"])
def test_what_is_no_prefix_is_a_wrong_request(domain: RmsDomain, prefix: str) -> None:
    status, answer = domain.ask(f"/v1/bindings/{prefix}")
    assert status == 400
    assert answer["error"]["message"] == f"{prefix!r} is no home network prefix such as 2001:db8:100:3::/64"


def test_decisions_incidents_and_tunnels_have_the_shape_of_the_page(domain: RmsDomain) -> None:
    domain.keep_reporting({"lma1": 0.1, "lma2": 0.1}, {("mag1", "lma1"): 10, ("mag2", "lma2"): 10})
    domain.run(3)
    status, _ = domain.ask("/v1/lmas/lma1/drain", {})
    assert status == 200
    domain.until(lambda: domain.get("/v1/decisions") and domain.get("/v1/decisions")[0]["answers"])
    decisions = domain.get("/v1/decisions")
    assert shape(decisions)[0] == shape(samples()["/v1/decisions"])[0]
    assert decisions[0]["slots"] == {"lma1": [*range(32)]}
    one = domain.get(f"/v1/decisions/{decisions[0]['id']}")
    inputs = one.pop("inputs")
    assert one["id"] == decisions[0]["id"]
    assert {"settings", "uplinks", "memory", "snapshot"} <= {*inputs}
    assert shape(domain.get("/v1/incidents")) == [{"time": None, "lma": None, "kind": None, "reason": None}]
    tunnels = domain.get("/v1/tunnels")
    assert shape(tunnels) == shape(samples()["/v1/tunnels"])
    assert [(tunnel["mag"], tunnel["lma"]) for tunnel in tunnels] == [
        (mag, lma) for mag in ("mag1", "mag2") for lma in ("lma1", "lma2")
    ]
    assert tunnels[0]["uplink_packets"] > 0 and tunnels[0]["downlink_packets"] == 0


def test_a_tunnel_is_up_when_both_ends_have_the_port(domain: RmsDomain) -> None:
    domain.switches["lma2"].remove_port("t-mag1")
    domain.switches["mag2"].remove_port("t-lma1")
    domain.run(0.2)
    up = {(tunnel["mag"], tunnel["lma"]): tunnel["up"] for tunnel in domain.get("/v1/tunnels")}
    assert up == {
        ("mag1", "lma1"): True,
        ("mag1", "lma2"): False,
        ("mag2", "lma1"): False,
        ("mag2", "lma2"): True,
    }


def test_inputs_that_are_not_kept_any_more_are_unknown(domain: RmsDomain) -> None:
    domain.keep_reporting({"lma1": 0.1, "lma2": 0.1}, {("mag1", "lma1"): 10})
    domain.run(3)
    (decision, *_) = domain.ask("/v1/mags/mag1/adjust", {"lma": "lma2"})[1]
    domain.store.store._rounds.clear()  # type: ignore[attr-defined]
    assert domain.get(f"/v1/decisions/{decision['id']}")["inputs"] is None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/lmas/lma9", 404),
        ("GET", "/v1/mags/mag9", 404),
        ("GET", "/v1/mags/lma1", 404),
        ("GET", "/v1/lmas/lma1/drain", 405),
        ("GET", "/v1/dry-run", 405),
        ("GET", "/v1/decisions/x", 404),
        ("GET", "/v1/mags/%ff", 400),
        ("DELETE", "/v1/bindings", 405),
        ("PUT", "/v1/policy", 405),
        ("POST", "/v1/load-list", 405),
        ("POST", "/v1/policy", 415),
        ("POST", "/v1/dry-run", 415),
        ("POST", "/v1/lmas/lma1/drain", 415),
        ("POST", "/v1/lmas/lma1/undrain", 415),
        ("POST", "/v1/mags/mag1/adjust", 415),
    ],
)
def test_a_wrong_request_gets_a_json_error(domain: RmsDomain, method: str, path: str, status: int) -> None:
    got, answer = domain.ask(path, method=method)
    assert (got, answer["error"]["status"]) == (status, status)
    if status == 405:
        assert method not in answer["error"]["allowed"]


@pytest.mark.parametrize("body", [b"", b"[1]", b"nonsense", b"\xff", b'"lma1"'])
def test_what_is_no_json_object_is_a_wrong_request(domain: RmsDomain, body: bytes) -> None:
    for path in ("/v1/policy", "/v1/dry-run", "/v1/lmas/lma1/drain", "/v1/mags/mag1/adjust"):
        status, answer = domain.ask(path, method="POST", body=body, content_type="application/json")
        assert status == 400 and answer["error"]["message"].startswith("what came is ")
    assert domain.incidents() == []


def test_the_server_of_the_application_answers(domain: RmsDomain) -> None:
    """Over TCP, where Ryu has it listen."""
    listening = []
    for listener in get_hub().get_readers():
        with suppress(OSError), socket.socket(fileno=os.dup(listener.fileno)) as found:
            if found.family is socket.AF_INET and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                listening.append(found.getsockname())
    (address,) = listening
    client = eventlet.connect(address)
    client.sendall(b"GET /v1/health HTTP/1.0\r\n\r\n")
    octets = b""
    while came := client.recv(4096):
        octets += came
    assert json.loads(octets.split(b"\r\n\r\n", 1)[1])["domain"] == "two-lma"


def test_the_core_gateway_that_an_lma_reports_is_taken_and_kept(domain: RmsDomain) -> None:
    def towards_core(lma: str) -> list[Any]:
        return [entry.named_values["gateway"] for entry in domain.entries(lma) if entry.rule is LmaRule.TO_CORE]

    assert towards_core("lma1") == []
    domain.load("lma1", 0.1, {}, CoreGateway(GATEWAY))
    domain.until(lambda: towards_core("lma1") == [GATEWAY])
    assert towards_core("lma2") == []
    assert domain.store.store.load_core_gateways() == {"lma1": GATEWAY}
    saved = domain.store.called["save_core_gateway"]
    domain.load("lma1", 0.1, {}, CoreGateway(GATEWAY))
    domain.load("lma1", 0.1, {})
    domain.run(1)
    assert domain.store.called["save_core_gateway"] == saved
    other = bytes.fromhex("02000000c0df")
    domain.load("lma1", 0.1, {}, CoreGateway(other))
    domain.until(lambda: towards_core("lma1") == [other])
