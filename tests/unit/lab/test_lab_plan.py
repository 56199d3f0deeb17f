from __future__ import annotations

from ipaddress import IPv6Interface
from pathlib import Path

import pytest

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Profile, load_profile
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import plan

LABS = sorted(path.stem for path in SHIPPED_PROFILES.glob("*.yaml") if load_profile(path).lab is not None)


def changed(tmp_path: Path, old: str, new: str) -> Profile:
    text = (SHIPPED_PROFILES / "two-lma.yaml").read_text()
    assert old in text
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new))
    return load_profile(path)


@pytest.mark.parametrize("name", LABS)
def test_every_port_is_unique_in_its_namespace_and_short_enough_for_the_kernel(name: str) -> None:
    made = plan(load_profile(name))
    ports = [(end.namespace, end.port) for link in made.links for end in (link.a, link.b)]
    ports += [(namespace, bridge) for namespace, bridge, _mtu in made.bridges]
    assert len(set(ports)) == len(ports)
    assert all(len(port) <= 15 for _, port in ports)


@pytest.mark.parametrize("name", LABS)
def test_every_end_is_in_a_namespace_of_the_lab_and_joins_a_bridge_that_is_there(name: str) -> None:
    made = plan(load_profile(name))
    bridges = {(namespace, bridge) for namespace, bridge, _mtu in made.bridges}
    host_ends = []
    for link in made.links:
        for end in (link.a, link.b):
            assert end.bridge is None or (end.namespace, end.bridge) in bridges
            if end.namespace is None:
                host_ends.append(end.port)
            else:
                assert end.namespace in made.namespaces
    assert host_ends == [made.host_port]


def test_the_default_lab() -> None:
    made = plan(load_profile("two-lma"))
    assert made.nodes == ("underlay", "mag1", "mag2", "lma1", "lma2", "cn", "radio", "mn1", "mn2", "mn3")
    assert made.namespace("mag1") == "pm-mag1"
    assert made.host_address == IPv6Interface("fd00:5213::99/64")
    assert made.correspondent_address == IPv6Interface("fd00:c0de::1/64")
    assert [(access.mag, access.port) for access in made.access_ports][:4] == [
        ("mag1", "acc1"),
        ("mag1", "acc2"),
        ("mag1", "acc3"),
        ("mag2", "acc1"),
    ]


def test_labs_of_the_shipped_profiles_can_be_up_at_once() -> None:
    profiles = [load_profile(name) for name in LABS]
    assert len(profiles) >= 2
    plans = [plan(profile) for profile in profiles]
    assert len({made.prefix for made in plans}) == len(plans)
    assert len({made.host_address.network for made in plans}) == len(plans)
    assert len({profile.rms.openflow.port for profile in profiles}) == len(plans)
    assert len({profile.rms.rest.port for profile in profiles}) == len(plans)


def test_links_of_the_underlay_have_the_mtu_of_the_profile(tmp_path: Path) -> None:
    made = plan(changed(tmp_path, "  type: auto ", "  underlay_mtu: 1600\n  type: auto "))
    assert {link.mtu for link in made.links if link.a.port == "u0"} == {1600}
    assert {link.mtu for link in made.links if link.a.port == "eth0"} == {1500}


def test_a_profile_of_real_hosts_has_no_lab() -> None:
    with pytest.raises(LabError, match="real hosts"):
        plan(load_profile("deployment-template"))


@pytest.mark.parametrize("node", ["mn1", "cn"])
@pytest.mark.parametrize("name", ["underlay", "core", "radio"])
def test_names_of_the_lab_itself_are_refused_for_nodes(tmp_path: Path, name: str, node: str) -> None:
    with pytest.raises(LabError, match=f"^{name}: a node of a lab must not be called"):
        plan(changed(tmp_path, f"name: {node}", f"name: {name}"))


def test_an_unknown_node_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(LabError, match="no node is called 'mag9'; there are: underlay, mag1"):
        plan(load_profile("two-lma")).namespace("mag9")
