"""Namespaces with Open vSwitch that go at the end of a test, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ovs_places import LMA, MAG, Place, Places, sh

from tests.waiting import eventually


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    made: list[Place] = []

    def make(name: str) -> Place:
        place = Place(name, tmp_path)
        made.append(place)
        return place

    yield make
    for place in made:
        place.ovs.stop()
        sh(f"ip netns del {place.name}")


@pytest.fixture
def host(places: Places) -> Place:
    """A host with the ports of a MAG and of an LMA, whose underlay port ``eth0`` has addresses and a route.

    Access port and core port were something else before, too, with addresses and routes.
    """
    place = places(f"pos-h-{os.environ.get('PYTEST_XDIST_WORKER', '')}")
    for port in ("acc1", "acc2", "acc3", "core", "eth0"):
        place.ip(f"link add {port} type veth peer name {port}-x")
        place.ip(f"link set {port}-x up")
        # As on a wire: checksums are complete when a frame leaves.
        place.ovs.execute("ethtool", "-K", f"{port}-x", "tx", "off")
        # As a network card has it; a veth does not by itself.
        place.ovs.execute("ethtool", "-K", port, "gro", "on")
    place.ip("link set eth0 up")
    for node in (MAG, LMA):
        place.ip(f"address add {node.address}/64 dev eth0 nodad")
    place.ip("address add 192.0.2.1/24 dev eth0")
    for number, port in enumerate(("acc1", "core"), start=1):
        place.ip(f"link set {port} up mtu {1500 - 100 * number}")
        place.ip(f"address add 10.9.{number}.1/24 broadcast 10.9.{number}.255 dev {port}")
        place.ip(f"address add 2001:db8:9{number}::1/64 dev {port} nodad")
        place.ip(f"route add 10.{number}.0.0/16 via 10.9.{number}.254 dev {port} metric 9")
        place.ip(f"route add 2001:db8:{number}::/48 via 2001:db8:9{number}::2 dev {port} metric 9")
    place.ip("route add 2001:db8:f::/48 via fd00:5213::1 dev eth0 metric 77")
    for port in ("acc1", "core", "eth0"):
        eventually(lambda: "state UP" in place.ip(f"-o link show {port}"), "a link that is up")  # noqa: B023
    place.ovs.start()
    return place
