"""The names in certificates, as they follow from a profile."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Profile, load_profile
from ryu_pmipls.pki.node_names import NodeNames, node_names

DOCUMENT = (SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8")
HOSTS = st.sampled_from(
    ["::", "0.0.0.0", "127.0.0.1", "::1", "fe80::1", "fd00:5213::11", "fd00:5213::99", "fd00::7", "192.0.2.7"]
)
NAMES = st.lists(
    st.sampled_from(["localhost", "a.example", "b.example", "rms.two-lma", "mag1.two-lma", "lma2.two-lma"])
)


def profile_with(
    openflow: str,
    rest: str,
    lma: str | None,
    mag: str | None,
    rms_names: Sequence[str] = (),
    mag_names: Sequence[str] = (),
) -> Profile:
    """The default profile with servers that listen at these addresses, and names for those of RMS and MAG."""
    document: dict[str, Any] = yaml.safe_load(DOCUMENT)
    document["certificates"] = {"folder": "/etc/pmipls/pki"}
    document["rms"] |= {
        "openflow": {"host": openflow, "port": 6653},
        "rest": {"host": rest, "port": 8080, "names": rms_names},
    }
    for node, host, names in ((document["lmas"][0], lma, ()), (document["mags"][0], mag, mag_names)):
        if host is not None:
            node["api"] = {"host": host, "port": 8081, "names": names}
    return Profile.model_validate(document)


def test_a_node_is_certified_for_its_name_in_the_domain_and_its_underlay_address() -> None:
    names = node_names(load_profile("two-lma"))
    assert [*names] == ["rms", "lma1", "lma2", "mag1", "mag2"]
    assert names["lma1"] == NodeNames(frozenset({"lma1.two-lma"}), frozenset({IPv6Address("fd00:5213::11")}))
    assert str(names["rms"]) == "rms.two-lma, fd00:5213::99"


def test_it_is_certified_for_the_addresses_where_its_servers_listen_too() -> None:
    names = node_names(profile_with("fd00::6", "192.0.2.7", "fd00::7", None))
    assert names["rms"].addresses == {IPv6Address("fd00:5213::99"), IPv6Address("fd00::6"), IPv4Address("192.0.2.7")}
    assert names["lma1"].addresses == {IPv6Address("fd00:5213::11"), IPv6Address("fd00::7")}


def test_it_is_certified_for_the_names_by_which_clients_ask_if_they_are_its_alone() -> None:
    rms = "rms.example.net", "localhost", "x.localhost", "mag1.two-lma", "api.example.net"
    names = node_names(profile_with("::", "::", None, "::", rms, ("mag.example.net", "api.example.net")))
    assert str(names["rms"]) == "rms.example.net, rms.two-lma, fd00:5213::99"
    assert str(names["mag1"]) == "mag.example.net, mag1.two-lma, fd00:5213::21"


def test_nobody_is_certified_for_an_address_that_is_not_one_nodes_alone() -> None:
    names = node_names(profile_with("::", "127.0.0.1", "fd00:5213::99", "fe80::1%eth0"))
    assert names == node_names(load_profile("two-lma"))


@given(HOSTS, HOSTS, st.none() | HOSTS, st.none() | HOSTS, NAMES, NAMES)
def test_no_two_certificates_have_a_name_in_common(
    openflow: str, rest: str, lma: str | None, mag: str | None, rms_names: Sequence[str], mag_names: Sequence[str]
) -> None:
    profile = profile_with(openflow, rest, lma, mag, rms_names, mag_names)
    names = node_names(profile)
    addresses = [address for each in names.values() for address in each.addresses]
    assert len(addresses) == len({*addresses})
    dns = [name for each in names.values() for name in each.dns]
    assert len(dns) == len({*dns})
    assert all(f"{node}.two-lma" in each.dns for node, each in names.items())
    for node in (*profile.lmas, *profile.mags):
        assert node.address in names[node.name].addresses
    assert not {*addresses} & {ip_address(host) for host in ("::", "0.0.0.0", "127.0.0.1", "::1", "fe80::1")}
