"""Real switches that say what the RMS does not want, or claim to be another. Needs root and Open vSwitch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ovs_setup.node import SERVICE_BRIDGE
from ryu_pmipls.http.client import fetch, rms_of
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
    return {*fetch(rms_of(lab.profile), "health")["switches"].values()} == {"ready"}


def refused(lab: Lab) -> dict[str, int]:
    counted: dict[str, int] = fetch(rms_of(lab.profile), "health")["refused"]
    return counted


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
    health = fetch(rms_of(lab.profile), "health")
    assert {*health["switches"].values()} == {"ready"} and health["refused"] == {}


def test_a_bridge_elsewhere_with_the_datapath_id_of_a_switch_does_not_displace_it(lab: Lab) -> None:
    eventually(lambda: ready(lab))
    mag1, mag2 = lab.profile.mags
    other = lab.openvswitch(mag2.name)
    controller = f"tcp:[{lab.profile.rms.address}]:{lab.profile.rms.openflow.port}"
    other.vsctl(
        *("--", "add-br", "foreign", "--", "set", "bridge", "foreign", "datapath_type=netdev", "protocols=OpenFlow13"),
        *("--", "set", "bridge", "foreign", f"other_config:datapath-id={mag1.datapath_id:016x}"),
        *("--", "set-controller", "foreign", controller),
    )
    try:
        eventually(lambda: refused(lab).get("openflow: datapath id in use", 0) >= 2)
        assert ready(lab)
        assert "actions=" not in other.ofctl("dump-flows", "foreign").replace("actions=NORMAL", "")
    finally:
        other.vsctl("del-br", "foreign")
    assert ready(lab)
