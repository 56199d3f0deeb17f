"""A real Open vSwitch sends the RMS nothing that it does not want. Needs root."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ovs_setup.node import SERVICE_BRIDGE
from ryu_pmipls.http.client import base_url, fetch
from ryu_pmipls.lab.lab import Lab
from tests.labs import lab_of
from tests.waiting import eventually

#: An Ethernet frame of a type that nobody uses.
FRAME = "020000000001" + "020000000002" + "88b5" + "00" * 46


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    with lab_of(derive_profile("pun", 48), agents=False) as made:
        yield made


def ready(lab: Lab) -> bool:
    return {*fetch(base_url(lab.profile), "health")["switches"].values()} == {"ready"}


def test_entries_for_the_controller_made_by_hand_do_not_end_the_connection(lab: Lab) -> None:
    eventually(lambda: ready(lab))
    switch = lab.openvswitch("mag1")
    switch.ofctl("add-flow", SERVICE_BRIDGE, "priority=65535,dl_type=0x88b5,actions=controller")
    switch.ofctl("add-flow", SERVICE_BRIDGE, "cookie=7,priority=1,dl_type=0x88b6,send_flow_rem,actions=drop")
    for _ in range(10):
        switch.ofctl("packet-out", SERVICE_BRIDGE, f"in_port=LOCAL packet={FRAME} actions=resubmit(,0)")
    switch.ofctl("del-flows", SERVICE_BRIDGE, "cookie=7/-1")
    flows = switch.ofctl("dump-flows", SERVICE_BRIDGE)
    assert "n_packets=10," in next(line for line in flows.splitlines() if "0x88b5" in line)
    health = fetch(base_url(lab.profile), "health")
    assert {*health["switches"].values()} == {"ready"} and health["refused"] == {}
