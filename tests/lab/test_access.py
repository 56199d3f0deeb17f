"""Attachment, presence and departure of ordinary Linux hosts on the access links. Needs root and Open vSwitch.

In a lab the access port's link stays up when only the mobile node's end goes down, as behind an access point.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from domain_helpers import await_tunnels, binding, ping, place, tunnel_mtu

from ryu_pmipls.agents.api_client import request
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.lab.traffic_generator import Flow
from ryu_pmipls.wire.dns_options import DnsConfiguration
from ryu_pmipls.wire.neighbour_discovery import (
    ROUTER_ADDRESS,
    ROUTER_LINK_LAYER_ADDRESS,
    PrefixInformation,
    RouterAdvertisement,
    router_advertisement,
    router_solicitation,
)
from ryu_pmipls.wire.neighbour_frames import build_frame, parse_frame
from tests.labs import lab_of
from tests.waiting import PATIENCE, eventually

ROOT = Path(__file__).resolve().parents[2]
HOOK = ROOT / "ovs_setup" / "hostapd-pmipls.sh"
API_PORT = 8081
CORRESPONDENT = "cn"
DNS_SERVER, DOMAIN = "fd00:c024::53", "example.net"
NEW_AGENT = 8.0  # s in which an agent that was just started asks who has come
LIFETIME = 16.0  # s, of bindings: they are extended after 12 s
ETH_P_IPV6 = 0x86DD


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    mags = [
        {
            "name": f"mag{number}",
            "address": f"fd00:5224::2{number}",
            "datapath_id": 0x20 + number,
            "access_ports": ["acc1", "acc2", "acc3"],
            "api": {"port": API_PORT},
        }
        for number in (1, 2)
    ]
    changes = {
        "mags": mags,
        "load_sharing": {"policy": "static", "redirect_new_sessions": False},
        "timers": {"binding_lifetime": LIFETIME, "min_delay_before_bce_delete": 1.0},
        "access": {"probes": 2, "advertisement_interval": 4, "dns_servers": [DNS_SERVER], "search_domains": [DOMAIN]},
        "lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}},
    }
    path = derive_profile("pac", 24, changes)
    with lab_of(path) as made:
        await_tunnels(made)
        yield made


def control(lab: Lab, node: str = "mag1") -> Path:
    return lab.directory / node / "control.sock"


def ask(lab: Lab, resource: str, document: dict[str, str] | None = None, node: str = "mag1") -> Any:
    status, answer = request(control(lab, node), f"/v1/{resource}", document)
    assert status == 200, answer
    return answer


def entry(lab: Lab, mobile_node: str, node: str = "mag1") -> dict[str, Any] | None:
    """The binding of a mobile node as the agent of a MAG or an LMA has it."""
    identifier = lab.profile.mobile_node(mobile_node).identifier
    return next((each for each in ask(lab, "bindings", node=node) if each["identifier"] == identifier), None)


def addresses(lab: Lab, mobile_node: str, scope: str) -> list[dict[str, Any]]:
    answer = lab.execute(mobile_node, ["ip", "-6", "-json", "address", "show", "dev", "eth0", "scope", scope])
    return [address for link in json.loads(answer.stdout) for address in link.get("addr_info", ()) if address]


def default_routers(lab: Lab, mobile_node: str) -> list[str]:
    routes = json.loads(lab.execute(mobile_node, ["ip", "-6", "-json", "route", "show", "default"]).stdout)
    return [route["gateway"] for route in routes]


def packets(lab: Lab, mobile_node: str) -> socket.socket:
    """What a mobile node hears, and says, on its link: whole frames."""
    space = lab.namespace(mobile_node)
    opened = namespaces.open_socket(space, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IPV6))
    opened.bind(("eth0", ETH_P_IPV6))
    opened.setblocking(False)
    return opened


def advertisements(heard: socket.socket) -> list[RouterAdvertisement]:
    """The router advertisements that have come since the last call."""
    found = []
    while True:
        try:
            message = parse_frame(heard.recv(65535))
        except BlockingIOError:
            return found
        if isinstance(message, RouterAdvertisement):
            found.append(message)


def test_duplicate_address_detection_of_a_host_is_unharmed(lab: Lab) -> None:
    for name, value in (("accept_dad", 1), ("dad_transmits", 1), ("optimistic_dad", 0)):
        found = lab.execute("mn1", ["sysctl", "-n", f"net.ipv6.conf.eth0.{name}"]).stdout.strip()
        assert found == str(value)
    place(lab, "mn1", "mag1")
    eventually(lambda: not any("tentative" in each for each in addresses(lab, "mn1", "link")), "a link-local address")
    (local,) = addresses(lab, "mn1", "link")
    (home,) = addresses(lab, "mn1", "global")
    for address in (local, home):
        assert not {"tentative", "dadfailed", "optimistic", "deprecated"} & address.keys()
    assert local["valid_life_time"] == 2**32 - 1  # permanent
    assert home["valid_life_time"] <= LIFETIME
    assert default_routers(lab, "mn1") == [str(ROUTER_ADDRESS)]


def test_the_router_defends_its_address(lab: Lab) -> None:
    argv = ["ip", "-6", "address", "add", f"{ROUTER_ADDRESS}/64", "dev", "eth0"]
    assert lab.execute("mn1", argv).returncode == 0

    def usurped() -> dict[str, Any]:
        return next(each for each in addresses(lab, "mn1", "link") if each["local"] == str(ROUTER_ADDRESS))

    try:
        eventually(lambda: "dadfailed" in usurped(), "the defence of the router's address")
    finally:
        lab.execute("mn1", ["ip", "-6", "address", "delete", f"{ROUTER_ADDRESS}/64", "dev", "eth0"])
    assert ping(lab, "mn1") == 5


def test_an_access_point_attaches_a_host_that_does_not_solicit(lab: Lab) -> None:
    """It gets its prefix by a router advertisement that it has not asked for."""
    lab.execute("mn2", ["sysctl", "-qw", "net.ipv6.conf.eth0.router_solicitations=0"])
    time.sleep(NEW_AGENT)
    assert not lab.attach("mn2", "mag1").solicited
    eventually(lambda: [each for each in addresses(lab, "mn2", "link") if "tentative" not in each], "a link-local one")
    port = lab.network.attachments()["mn2"].port
    assert entry(lab, "mn2") is None
    answer = ask(lab, "attach", {"access_port": port, "identifier": lab.profile.mobile_node("mn2").identifier})
    assert (answer["access_port"], answer["state"]) == (port, "registering")
    eventually(lambda: lab.network.addresses("mn2"), "an address of mn2")
    found = entry(lab, "mn2")
    assert found is not None and found["state"] == "bound"
    assert lab.address("mn2") in IPv6Network(found["prefixes"][0])
    eventually(lambda: ping(lab, "mn2", 1) == 1, "a ping of mn2")


def hook(lab: Lab, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the example of a hook as hostapd_cli does."""
    settings = os.environ | {"PMIPLS_AGENT": str(control(lab))} | environment
    return subprocess.run(
        [HOOK, *arguments], env=settings, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_the_hook_of_hostapd(lab: Lab) -> None:
    station, port = "02:00:00:00:01:02", lab.network.attachments()["mn2"].port
    before = entry(lab, "mn2")
    assert before is not None
    left = hook(lab, port, "AP-STA-DISCONNECTED", station)
    assert (left.returncode, left.stdout, left.stderr) == (0, "", "")
    eventually(lambda: entry(lab, "mn2") is None, "the end of the binding")
    # The node has been told, for its link is up: the router is gone, and what is left of the address is not used.
    eventually(lambda: default_routers(lab, "mn2") == [], "the withdrawal")
    eventually(lambda: all("deprecated" in address for address in addresses(lab, "mn2", "global")), "its deprecation")
    # Again, as when an access point repeats itself: an error, which says why.
    again = hook(lab, port, "AP-STA-DISCONNECTED", station)
    assert again.returncode == 1 and "mn2@example.net is not attached to mag1" in again.stderr

    joined = hook(lab, "wlan0", "AP-STA-CONNECTED", station, "keyid=x", PMIPLS_ACCESS_PORT=port)
    assert (joined.returncode, joined.stdout, joined.stderr) == (0, "", "")
    eventually(lambda: default_routers(lab, "mn2") == [str(ROUTER_ADDRESS)], "the router's return")
    after = entry(lab, "mn2")
    assert after is not None and after["prefixes"] == before["prefixes"]


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["wlan0", "AP-ENABLED"], 0, ""),
        (["acc1", "AP-STA-CONNECTED", "02:00:00:00:ff:ff"], 1, "no mobile node of the profile"),
        (["wlan0", "AP-STA-CONNECTED", "02:00:00:00:01:01"], 1, "allowed: acc1, acc2, acc3"),
        (["acc1", "AP-STA-CONNECTED", '02"'], 1, "no station"),
        ([], 0, ""),
    ],
)
def test_what_the_hook_makes_of_other_words(lab: Lab, arguments: list[str], status: int, word: str) -> None:
    done = hook(lab, *arguments)
    assert done.returncode == status and word in done.stderr and done.stdout == ""


def test_the_hook_without_an_agent(lab: Lab) -> None:
    done = hook(lab, "acc1", "AP-STA-CONNECTED", "02:00:00:00:01:01", PMIPLS_AGENT="/nowhere.sock")
    assert done.returncode == 1 and "attach 02:00:00:00:01:01 at acc1" in done.stderr


def test_rest_shows_what_the_socket_shows(lab: Lab) -> None:
    def curl(*arguments: str) -> Any:
        return json.loads(lab.execute("mag1", ["curl", "-s", *arguments], timeout=PATIENCE).stdout)

    url = f"http://127.0.0.1:{API_PORT}/v1"
    assert curl(f"{url}/access-ports") == ask(lab, "access-ports")
    assert {port["name"]: port["up"] for port in ask(lab, "access-ports")} == {
        "acc1": True,
        "acc2": True,
        "acc3": False,
    }
    health = curl(f"{url}/health")
    assert (health["status"], health["name"], health["domain"]) == ("ok", "mag1", lab.profile.domain)
    station = (str(HOOK), "acc1", "AP-STA-CONNECTED", "02")
    hooked = lab.execute("mag1", ["env", f"PMIPLS_AGENT={url[:-3]}", *station])
    assert hooked.returncode == 1 and "this needs a token" in hooked.stderr
    token = lab.directory / "mag1" / "token"
    token.write_text(TokenFile(lab.directory / "mag1" / "agent").create("ap", AccessRole.OPERATE, 1, time.time()))
    hooked = lab.execute("mag1", ["env", f"PMIPLS_AGENT={url[:-3]}", f"PMIPLS_TOKEN_FILE={token}", *station])
    assert hooked.returncode == 1 and "link_layer_address: must be a link-layer address" in hooked.stderr
    authorized = ("-H", f"Authorization: Bearer {token.read_text()}")
    refusal = curl(*authorized, "--json", '{"access_port": "acc1", "identifier": "nobody"}', f"{url}/attach")
    assert refusal["error"] == {"status": 400, "message": "identifier: no mobile node of the profile is 'nobody'"}
    assert b"Traceback" not in lab.log("mag1").read_bytes()


def test_the_mtu_is_that_of_the_narrower_link(lab: Lab) -> None:
    access_port = next(port["name"] for port in ask(lab, "access-ports") if not port["up"])
    lab.execute("mag1", ["ip", "link", "set", access_port, "mtu", "1400"])
    place(lab, "mn3", "mag1")
    assert lab.network.attachments()["mn3"].port == access_port

    def mtu(mobile_node: str) -> str:
        return lab.execute(mobile_node, ["sysctl", "-n", "net.ipv6.conf.eth0.mtu"]).stdout.strip()

    assert (mtu("mn2"), mtu("mn3")) == (str(tunnel_mtu(lab)), "1400")


def test_solicitations_of_every_kind_are_answered_at_a_bounded_rate(lab: Lab) -> None:
    node = lab.profile.mobile_node("mn3").link_layer_address
    (local,) = addresses(lab, "mn3", "link")
    source = IPv6Address(local["local"])
    (prefix,) = (IPv6Network(prefix) for prefix in (entry(lab, "mn3") or {})["prefixes"])
    kinds = {
        "from ::": router_solicitation(node),
        "with its link-layer address": router_solicitation(node, source),
        "without it": replace(router_solicitation(node, source), options=()),
    }
    with packets(lab, "mn3") as link:
        for kind, message in kinds.items():
            advertisements(link)
            link.send(build_frame(message))
            (answer, *_) = eventually(lambda: advertisements(link), f"the answer to a solicitation {kind}")
            assert (answer.link_layer_source, answer.source) == (ROUTER_LINK_LAYER_ADDRESS, ROUTER_ADDRESS)
            assert answer.link_layer_destination == node
            (told,) = answer.all(PrefixInformation)
            assert told.prefix == prefix.network_address and 0 < told.valid_lifetime <= LIFETIME
            names = DnsConfiguration((IPv6Address(DNS_SERVER),), (DOMAIN,))
            assert answer.options[-2:] == names.options(told.valid_lifetime)
        advertisements(link)
        start = time.monotonic()
        for _ in range(500):
            link.send(build_frame(router_solicitation(node)))
        time.sleep(1.0)  # that nothing more comes cannot be waited for
        answered = len(advertisements(link))
        # Those answered at once, each with the acceptance of the registration that it brings, and unsolicited ones.
        assert answered <= 2 * 3 + (time.monotonic() - start) / 3 + 2


def test_a_flood_from_an_unknown_node_is_counted_and_disturbs_nobody(lab: Lab) -> None:
    def refused() -> int:
        return int(ask(lab, "health")["counters"].get("access: unknown mobile node", 0))

    frame = build_frame(router_solicitation(bytes.fromhex("0200000001ff")))
    before = refused()
    with packets(lab, "mn3") as link:

        def counted() -> int:
            for _ in range(5000):
                with suppress(BlockingIOError):
                    link.send(frame)
            return refused() - before

        eventually(lambda: counted() > 1000, "the count of the flood")
        advertisements(link)
        link.send(build_frame(router_solicitation(lab.profile.mobile_node("mn3").link_layer_address)))
        eventually(lambda: advertisements(link), "an answer after the flood")
    assert len(re.findall("access: unknown mobile node", lab.log("mag1").read_text())) < (refused() - before) / 100
    assert ping(lab, "mn1") == 5


def test_a_revoked_node_is_told(lab: Lab) -> None:
    argv = [sys.executable, "-m", "ryu_pmipls.cli", "tell", "lma1", "revoke", "--json"]
    told = subprocess.run(
        [*argv, lab.profile.mobile_node("mn3").identifier, "--run-directory", str(lab.directory / "lma1")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert told.returncode == 0 and json.loads(told.stdout)["revoked"][0]["mag"] == "mag1"
    eventually(lambda: default_routers(lab, "mn3") == [], "the withdrawal")
    eventually(lambda: entry(lab, "mn3", "lma1") is None, "the end of the session")


def test_a_node_that_is_there_keeps_its_binding(lab: Lab) -> None:
    """Longer than its lifetime, with nobody asking for advertisements, and answering probes as any host does."""
    first = entry(lab, "mn1")
    assert first is not None
    with packets(lab, "mn1") as link:
        later = eventually(
            lambda: (now := entry(lab, "mn1")) is not None and now["expires"] > first["expires"] + 1 and now,
            "an extension",
        )
        assert later["prefixes"] == first["prefixes"] and later["state"] == "bound"
        eventually(lambda: advertisements(link), "an unsolicited advertisement")
    assert ping(lab, "mn1") == 5


def test_a_node_that_has_left_a_link_that_is_up_is_missed(lab: Lab) -> None:
    lab.execute("mn1", ["ip", "link", "set", "eth0", "down"])
    port = lab.network.attachments()["mn1"].port
    eventually(lambda: entry(lab, "mn1") is None, "the end of the binding")
    assert {"name": port, "up": True}.items() <= next(
        each for each in ask(lab, "access-ports") if each["name"] == port
    ).items()
    assert "unreachable: mn1@example.net" in lab.log("mag1").read_text()
    eventually(lambda: entry(lab, "mn1", "lma1") is None, "the end of the session")
    eventually(lambda: binding(lab, "mn1") is None, "the end of its routes")


def test_it_comes_back_with_its_prefix_and_addresses_that_nobody_can_guess(lab: Lab) -> None:
    """Its interface identifiers are opaque (RFC 7217), as those of current systems."""
    lab.execute("mn1", ["sysctl", "-qw", "net.ipv6.conf.eth0.addr_gen_mode=3"])
    lab.execute("mn1", ["ip", "link", "set", "eth0", "up"])
    place(lab, "mn1", "mag1")
    assert not any("ff:fe" in each["local"] for scope in ("link", "global") for each in addresses(lab, "mn1", scope))


def start_agent(lab: Lab) -> None:
    """Start the agent of mag1, and wait until it answers."""
    lab.start_agent("mag1")

    def answers() -> bool:
        with suppress(OSError):
            return bool(ask(lab, "health"))
        return False

    eventually(answers, "the agent of mag1")


def look_for_router(lab: Lab, mobile_node: str) -> None:
    """Have a host ask whether its router is still there, as it does now and then, and then who the router is."""

    def state() -> str:
        shown = lab.execute(mobile_node, ["ip", "-6", "-json", "neigh", "show", str(ROUTER_ADDRESS), "dev", "eth0"])
        return "".join(state for each in json.loads(shown.stdout or "[]") for state in each["state"])

    router = [str(ROUTER_ADDRESS), "dev", "eth0"]
    for change in (
        ["replace", *router, "lladdr", ROUTER_LINK_LAYER_ADDRESS.hex(":"), "nud", "probe"],
        ["del", *router],
    ):
        assert lab.execute(mobile_node, ["ip", "-6", "neigh", *change]).returncode == 0
        lab.execute(mobile_node, ["ping", "-6", "-c", "1", "-W", "1", str(lab.plan.correspondent_address.ip)])
        eventually(lambda: state() == "REACHABLE", f"the router of {mobile_node}, which is {state()}")


def re_registered(lab: Lab, mobile_node: str) -> float:
    """Have a mobile node's binding extended; the time of its new end."""
    before = entry(lab, mobile_node)
    port = lab.network.attachments()[mobile_node].port
    ask(lab, "attach", {"access_port": port, "identifier": lab.profile.mobile_node(mobile_node).identifier})

    def extended() -> float | None:
        now = entry(lab, mobile_node)
        return now["expires"] if now is not None and (before is None or now["expires"] > before["expires"]) else None

    return float(eventually(extended, f"an extension for {mobile_node}"))


def test_nodes_do_not_notice_that_the_agent_is_dead_nor_that_it_has_come_back(lab: Lab) -> None:
    """One that talks and one that is talked to; neither solicits, and nobody reports them to the new agent."""
    nodes = {"mn1": Probe(lab, "mn1", CORRESPONDENT, 50), "mn2": Probe(lab, CORRESPONDENT, "mn2", 50)}
    prefixes = {mobile_node: (entry(lab, mobile_node) or {})["prefixes"] for mobile_node in nodes}
    stream = Flow(lab, "mn1", "tcp", "up", 0.5)
    stream.start()
    with packets(lab, "mn1") as one, packets(lab, "mn2") as other:
        for probe in nodes.values():
            probe.start()
        ends = [re_registered(lab, mobile_node) for mobile_node in nodes]
        assert lab.kill("mag1")
        for mobile_node in nodes:
            look_for_router(lab, mobile_node)
        start_agent(lab)
        for mobile_node, end in zip(nodes, ends, strict=True):
            found = eventually(
                lambda node=mobile_node: (now := entry(lab, node)) and now["state"] == "bound" and now,
                f"the registration of {mobile_node}",
            )
            assert found["expires"] > end and found["prefixes"] == prefixes[mobile_node]
        eventually(lambda: time.time() > max(ends) + 1, "the time at which the old bindings would have ended")
        results = {mobile_node: probe.stop() for mobile_node, probe in nodes.items()}
        spoken = [frame[54] for link in (one, other) for frame in heard(link) if frame[20] == 58]
    assert {mobile_node: result.lost for mobile_node, result in results.items()} == {"mn1": 0, "mn2": 0}
    assert 133 not in spoken  # router solicitation
    assert stream.stop().error is None
    assert "unreachable" not in lab.log("mag1").read_text().rpartition("resumed: ")[2]


def heard(link: socket.socket) -> Iterator[bytes]:
    """Whole frames that have come or gone."""
    with suppress(BlockingIOError):
        while True:
            yield link.recv(65535)


def test_a_node_that_talks_and_answers_nothing_is_there(lab: Lab) -> None:
    """Its filter lets out no word of neighbour discovery, and it has its router by configuration."""
    silent = [
        "add table ip6 silent",
        "add chain ip6 silent out { type filter hook output priority 0; }",
        "add rule ip6 silent out icmpv6 type { 131, 132, 133, 135, 136, 143 } drop",
    ]
    router = [str(ROUTER_ADDRESS), "lladdr", ROUTER_LINK_LAYER_ADDRESS.hex(":"), "dev", "eth0"]
    assert lab.execute("mn2", ["ip", "-6", "neigh", "replace", *router, "nud", "permanent"]).returncode == 0
    probe = Probe(lab, "mn2", CORRESPONDENT, 50)
    probe.start()
    try:
        for command in silent:
            assert lab.execute("mn2", ["nft", command]).returncode == 0
        for _ in range(3):  # a busy machine may be late with its counters
            lab.stop_agent("mag1")
            read = len(lab.log("mag1").read_text())
            start_agent(lab)
            news = eventually(
                lambda read=read: re.search(r"(attached|unreachable): mn2@", lab.log("mag1").read_text()[read:]),
                "the verdict on mn2",
            )
            if news[1] == "attached":
                break
            re_registered(lab, "mn2")
        assert news[1] == "attached"
    finally:
        lab.execute("mn2", ["nft", "delete table ip6 silent"])
        lab.execute("mn2", ["ip", "-6", "neigh", "delete", *router])
        probe.stop()
    eventually(lambda: ping(lab, "mn2", 1) == 1, "a ping of mn2")


def test_a_node_that_left_while_the_agent_was_away_is_missed(lab: Lab) -> None:
    lab.stop_agent("mag1")
    lab.execute("mn1", ["ip", "link", "set", "eth0", "down"])
    start_agent(lab)
    eventually(lambda: entry(lab, "mn1", "lma1") is None, "the end of the session")
    eventually(lambda: binding(lab, "mn1") is None, "the end of its routes")
    assert entry(lab, "mn1") is None and (entry(lab, "mn2") or {})["state"] == "bound"
    lab.execute("mn1", ["ip", "link", "set", "eth0", "up"])
    place(lab, "mn1", "mag1")


def tell_of_prefix(lab: Lab, mobile_node: str, prefix: IPv6Network) -> IPv6Address:
    """Advertise a prefix to a host as an earlier MAG would have; the address that the host has formed of it."""
    place_of = lab.network.attachments()[mobile_node]
    node = lab.profile.mobile_node(mobile_node).link_layer_address
    with namespaces.open_socket(lab.namespace(place_of.mag), socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((place_of.port, ETH_P_IPV6))
        link.send(build_frame(router_advertisement(node, [prefix], 3600, 1400)))
    return eventually(
        lambda: next((found for found in lab.network.addresses(mobile_node) if found in prefix), None),
        f"an address of {prefix}",
    )


def source(lab: Lab, mobile_node: str) -> IPv6Address:
    """The address from which a host would send to the correspondent node."""
    argv = ["ip", "-6", "-json", "route", "get", str(lab.plan.correspondent_address.ip)]
    (route,) = json.loads(lab.execute(mobile_node, argv).stdout)
    return IPv6Address(route["prefsrc"])


def test_a_host_with_an_address_that_is_dead_is_back_within_5_s(lab: Lab) -> None:
    """A busy machine may spoil a try; every try is with an address of another prefix."""
    (own,) = (IPv6Network(prefix) for prefix in (entry(lab, "mn1") or {})["prefixes"])
    first = int(lab.profile.home_prefix_pool.network_address) >> 64
    seconds = []
    for number in range(5):
        dead = tell_of_prefix(lab, "mn1", IPv6Network(((first + 0xABCD00 + number) << 64, 64)))
        assert source(lab, "mn1") == dead, "a host prefers its newest address"
        start = time.monotonic()
        eventually(lambda: ping(lab, "mn1", 1) == 1, "a ping from another address")
        seconds.append(time.monotonic() - start)
        assert source(lab, "mn1") in own
        (shown,) = (each for each in addresses(lab, "mn1", "global") if each["local"] == str(dead))
        assert shown["deprecated"] and default_routers(lab, "mn1") == [str(ROUTER_ADDRESS)]
        if seconds[-1] < 5:
            break
    assert min(seconds) < 5
    # What an application has bound to the address ends with an error, and not after a quarter of an hour.
    space = lab.namespace("mn1")
    with namespaces.open_socket(space, socket.AF_INET6, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        client.bind((str(dead), 0))
        with pytest.raises(PermissionError):
            client.connect((str(lab.plan.correspondent_address.ip), 9))
    counters = ask(lab, "health")["counters"]
    assert counters["ingress: source refused"] >= 2
    assert ping(lab, "mn1") == 5


@pytest.mark.parametrize(("stranger", "mag"), [("mn3", "mag1"), ("mn2", "mag2")])
def test_who_solicits_in_the_name_of_a_node_that_is_elsewhere_takes_little_from_it(
    lab: Lab, stranger: str, mag: str
) -> None:
    """The node does nothing about it: it answers a probe where it is, and gets its binding back."""
    place(lab, "mn1", "mag1")
    place(lab, stranger, mag)
    node, port = lab.profile.mobile_node("mn1"), lab.network.attachments()[stranger].port
    before = entry(lab, "mn1")
    assert before is not None

    def claims() -> list[int]:
        shown = ask(lab, "contested-ports", node=mag)
        return [found["false_claims"] for found in shown if found["access_port"] == port]

    def where_it_was() -> bool:
        after, known = entry(lab, "mn1"), binding(lab, "mn1")
        same = all(after is not None and after[key] == before[key] for key in ("state", "access_port", "prefixes"))
        return same and known is not None and known["mag"] == "mag1"

    forged = build_frame(router_solicitation(node.link_layer_address, IPv6Address("fe80::bad")))
    with namespaces.open_socket(lab.namespace(stranger), socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", ETH_P_IPV6))
        for _ in range(2):
            sender.send(forged)
            eventually(claims, "a claim that is found to be false")
            eventually(where_it_was, "mn1 where it was")
            eventually(lambda: ping(lab, "mn1", 1) == 1, "a ping of mn1")
    (reason,) = (reason for reason in ask(lab, "health", node=mag)["reasons"] if f"access port {port} has" in reason)
    assert "has claimed 02:00:00:00:01:01, which was elsewhere" in reason
    assert ping(lab, stranger) == 5


def test_a_station_is_known_by_its_identity_whatever_its_address(lab: Lab, tmp_path: Path) -> None:
    """Those who authenticate may have a random link-layer address, another one each time (RFC 5213, section 6.6)."""
    place(lab, "mn2", "mag1")
    identifier, port = lab.profile.mobile_node("mn2").identifier, lab.network.attachments()["mn2"].port
    before = entry(lab, "mn2")
    assert before is not None
    hostapd = tmp_path / "hostapd_cli"  # in the place of one that has asked a RADIUS server
    hostapd.write_text(f"#!/bin/sh\necho flags=[AUTH][ASSOC]\necho dot1xAuthSessionUserName={identifier}\n")
    hostapd.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    for station in ("0a:00:00:00:00:01", "0a:00:00:00:00:02"):
        for change in (("down",), ("address", station), ("up",)):
            lab.execute("mn2", ["ip", "link", "set", "eth0", *change])
        joined = hook(lab, port, "AP-STA-CONNECTED", station, PATH=path)
        assert (joined.returncode, joined.stderr) == (0, "")
        eventually(lambda: ping(lab, "mn2", 1) == 1, "a ping from another link-layer address")
        after = entry(lab, "mn2")
        assert after is not None and after["link_layer_address"] == station
        assert after["prefixes"] == before["prefixes"]
        found = binding(lab, "mn2")
        assert found is not None and found["link_layer_address"] == station
    assert len([each for each in ask(lab, "bindings") if each["identifier"] == identifier]) == 1
    left = hook(lab, port, "AP-STA-DISCONNECTED", "0a:00:00:00:00:02")
    assert left.returncode == 0
    eventually(lambda: entry(lab, "mn2") is None, "the end of the binding")
    # Identity is what counts also when it is nobody's.
    hostapd.write_text("#!/bin/sh\necho 'dot1xAuthSessionUserName=no\"body\\'\n")
    refused = hook(lab, port, "AP-STA-CONNECTED", "02:00:00:00:01:02", PATH=path)
    assert refused.returncode == 1 and "no mobile node of the profile is" in refused.stderr
