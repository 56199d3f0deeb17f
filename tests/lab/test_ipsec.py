"""A domain whose signalling goes by IPsec: it works, and nothing is in the clear.

MAG2 speaks UDP, all others protocol 135. Needs root, Open vSwitch, nftables and strongSwan.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from domain_helpers import await_tunnels, ping, place, rest

from ryu_pmipls.agents.api_client import request
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import UNDERLAY
from tests.labs import lab_of
from tests.waiting import eventually

if shutil.which("charon-systemd") is None or shutil.which("swanctl") is None:
    pytest.skip("strongSwan is not installed", allow_module_level=True)

#: A clear Mobility Header, or a clear datagram of signalling.
CLEAR = "ip6 proto 135 or (ip6 proto 17 and udp port 5436)"


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    """The default domain with IPsec; its LMAs have CPU enough, its agents come when the capture runs."""
    changes = {
        "signalling": {"protection": "ipsec"},
        "lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}},
    }
    path = derive_profile("pis", 52, changes)
    text = path.read_text(encoding="utf-8").replace("name: mag2", "name: mag2\n  transport: udp")
    path.write_text(text, encoding="utf-8")
    with lab_of(path, agents=False) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def captures(lab: Lab) -> dict[str, Path]:
    """The captures of what is in the clear and of what is protected, which begin before the agents."""
    found = {}
    for name, wanted in (("clear", CLEAR), ("protected", "udp port 4500")):
        found[name] = lab.directory / f"{name}.pcap"
        log = lab.directory / "log" / f"tcpdump-{name}.log"
        argv = ["tcpdump", "-Z", "root", "-U", "-n", "-i", UNDERLAY, "-w", str(found[name]), wanted]
        lab.launch(UNDERLAY, argv, log)
        eventually(lambda log=log: "listening on" in log.read_text(), f"tcpdump: {name}")  # type: ignore[misc]
    lab.start_agents()
    await_tunnels(lab)
    return found


def frames_in(capture: Path, *words: str) -> list[str]:
    """What tshark prints of the frames of a capture."""
    argv = ["tshark", "-n", "-r", str(capture), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def test_a_node_attaches_and_is_handed_over(lab: Lab) -> None:
    place(lab, "mn1", "mag1")
    place(lab, "mn1", "mag2")
    assert ping(lab, "mn1") > 0
    for node, peers in (("mag1", 3), ("lma1", 4)):
        _, document = request(lab.directory / node / "control.sock", "/v1/ipsec", None)
        assert len(document["associations"]) == peers
    eventually(lambda: all(each["state"] == "up" for each in rest(lab, "ipsec")["associations"]), "associations")
    eventually(lambda: rest(lab, "health")["status"] == "ok", "health")


def test_nothing_was_in_the_clear(captures: dict[str, Path]) -> None:
    assert frames_in(captures["clear"]) == []
    assert frames_in(captures["protected"], "-Y", "esp")
