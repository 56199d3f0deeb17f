"""A flood of router solicitations at a MAG: from nodes that nobody knows, beside from one that is attached."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address
from typing import Any

from ryu_pmipls.agents import attachment
from ryu_pmipls.agents.attachment import AccessNetwork, OpenAccessPort
from ryu_pmipls.agents.configuration import gateway_config
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.mobility import MobileAccessGateway
from ryu_pmipls.wire import Encapsulation
from ryu_pmipls.wire.dns_options import DnsConfiguration
from ryu_pmipls.wire.neighbour_discovery import router_solicitation
from ryu_pmipls.wire.neighbour_frames import build_frame
from tests.bench.comparison import Comparison, Effort, compare

AT_LEAST = 5
BATCH, ROUNDS = 10_000, 30


class _Wire:
    """Swallows what is sent."""

    def send(self, frame: bytes) -> None: ...


class _Forgetful:
    """Keeps no addresses."""

    def get(self, node: bytes) -> IPv6Address | None:
        return None

    def learn(self, node: bytes, address: IPv6Address) -> None: ...


def measure(effort: Effort) -> list[Comparison]:
    profile = load_profile("two-lma")
    node = profile.mobile_nodes[0].link_layer_address
    machine = MobileAccessGateway(gateway_config(profile, profile.mags[0], Encapsulation.GRE, 0))
    now = 1_700_000_000.0

    def attached(link_layer_address: bytes, port: int) -> None:
        machine.attach(link_layer_address, port, now)
        machine.effects()

    unused: Any = None
    counters: Counter[str] = Counter()
    network = AccessNetwork(
        unused,
        ["acc1"],
        machine.policy,
        1452,
        DnsConfiguration(),
        attached=attached,
        reachable=lambda *_: None,
        answered=lambda *_: None,
        detached=lambda _: None,
        opened=lambda *_: None,
        addresses=_Forgetful(),
        counters=counters,
    )
    wire: Any = _Wire()
    network._present["acc1"] = OpenAccessPort(1, 1, 1500, wire, up=True)
    network._pace = attachment.RateLimiter(burst=2**62)  # all of what the known node sends is read

    def flood(link_layer_address: bytes) -> int:
        frame = build_frame(router_solicitation(link_layer_address))
        for _ in range(BATCH):
            network._admit("acc1", frame)
        return BATCH

    stranger = bytes.fromhex("0200000001ff")
    return [
        compare(
            "solicitation of an unknown node: counted",
            lambda: flood(stranger),
            "of an attached one: read, and put off",
            lambda: flood(node),
            AT_LEAST,
            rounds=effort.of(ROUNDS),
        )
    ]
