"""Namespaces with a private Open vSwitch in each, and a host to be set up."""

from __future__ import annotations

import difflib
import re
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pyroute2 import netns

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import load_profile
from tests.waiting import PATIENCE, eventually

Result = TypeVar("Result")
PROFILE = load_profile("two-lma")
MAG, LMA = PROFILE.mag("mag1"), PROFILE.lma("lma1")


def sh(command_line: str) -> str:
    return subprocess.run(command_line.split(), check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


def within(namespace: str, function: Callable[[], Result]) -> Result:
    """Call a function in a namespace, in a thread of its own: a namespace belongs to a thread."""
    results: list[Result] = []

    def body() -> None:
        netns.setns(namespace, flags=0)
        results.append(function())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return results[0]


class Place:
    """A namespace with a private Open vSwitch in it; both go at the end of a test, however it ends."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.ovs = OpenVSwitch(directory / name, name)
        sh(f"ip netns add {name}")
        self.ip("link set lo up")

    def ip(self, arguments: str) -> str:
        return sh(f"ip -n {self.name} {arguments}")

    def sysctl(self, path: str) -> str:
        return self.ovs.execute("sysctl", "-n", path)

    def state(self) -> list[str]:
        """All that a set-up might change, in lines; link-local addresses come and go by themselves."""
        texts = (
            self.ovs.vsctl("list-br"),
            self.ip("-o -brief link").replace("LOWERLAYERDOWN", "DOWN"),
            "\n".join(re.findall(r"^\d+: (.* mtu \d+)", self.ip("-o link show"), re.MULTILINE)),
            self.ip("-o address"),
            self.ip("-4 route show"),
            self.ip("-6 route show"),
            *(self.ovs.execute("ethtool", "-k", port) for port in ("acc1", "core", "eth0")),
            self.ovs.execute(
                "sysctl", "-a", "-r", r"ipv[46]\.conf\..*\.(disable_ipv6|forwarding|arp_ignore|rp_filter)"
            ),
            self.ovs.execute("nft", "list", "ruleset"),
        )
        return sorted(line for text in texts for line in text.splitlines() if "fe80::" not in line)

    def is_as(self, before: list[str]) -> None:
        """Fail unless that is its state soon; the kernel takes its time to tell that a link has come up."""
        with suppress(TimeoutError):
            eventually(lambda: self.state() == before)
        differences = [line for line in difflib.ndiff(before, self.state()) if line[0] in "-+"]
        assert not differences, "\n".join(differences)


Places = Callable[[str], Place]
