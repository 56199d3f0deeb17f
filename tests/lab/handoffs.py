"""Handoffs at a steady rate, as the MAGs of a running lab report them, beside their agents.

``python handoffs.py PROFILE NODES RATE``: so many mobile nodes of its own, each at one of the first two MAGs in turn,
in all RATE (per second) handoffs. What is not answered is repeated, as MAGs do; of a node only its latest handoff.

Commands come in lines: ``report`` prints what has been told and answered so far; ``finish`` ends the handoffs, waits
until the last one of each node is answered, and prints the same. A report is JSON, in one line: ``handoffs`` and
``answered``, how many there were, and ``nodes``: prefix (hexadecimal) -> [MAG, timestamp of the latest handoff,
timestamp of the latest one that was answered, or 0].
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab_layout import plan
from ryu_pmipls.wire import (
    Attachment,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    Timestamp,
    build,
)
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER
from tests.grants import granted, kept_grant_key

#: A handoff that is not answered is repeated after this time, in seconds.
PATIENCE = 1.0
#: Home network prefixes from this place in the pool on, where an LMA is unlikely to take any from.
FIRST_PREFIX = 0xF00000
_NOWHERE = IPv6Address("::")


@dataclass
class Node:
    number: int
    prefix: IPv6Address
    mag: int = 1
    ticks: int = 0
    answered: int = 0


@dataclass
class Report:
    octets: bytes
    node: Node
    mag: int
    ticks: int
    sent: float


class Handoffs:
    def __init__(self, profile_path: Path, nodes: int, rate: float) -> None:
        self.profile = load_profile(profile_path)
        self.rate = rate
        self.key = kept_grant_key(profile_path.parent, self.profile.lmas[0].name)
        pool = int(self.profile.home_prefix_pool.network_address)
        self.nodes = [Node(number, IPv6Address(pool + (FIRST_PREFIX + number << 64))) for number in range(nodes)]
        self.mags = self.profile.mags[:2]
        self.sockets = [self._open(mag.name, str(mag.address)) for mag in self.mags]
        self.unanswered: dict[bytes, Report] = {}
        self.handoffs = self.answered = 0

    def _open(self, mag: str, address: str) -> socket.socket:
        namespace = plan(self.profile).namespace(mag)
        opened = namespaces.open_socket(namespace, socket.AF_INET6, socket.SOCK_RAW, MOBILITY_HEADER)
        opened.bind((address, 0))
        opened.setblocking(False)
        return opened

    def hand_off(self, node: Node) -> None:
        """Have a node come to the other MAG."""
        old, node.mag = node.mag, 1 - node.mag
        mag, rms = self.mags[node.mag], self.profile.rms.address
        message = RouteAdjust(
            node.prefix,
            self.mags[old].address if node.ticks else _NOWHERE,
            mag.address,
            options=(
                Timestamp(max(node.ticks + 1, int(time.time() * 65536))),
                MobileNodeIdentifier(b"node%d@example.net" % node.number),
                MobileNodeLinkLayerIdentifier(b"\6" + node.number.to_bytes(5, "big")),
                Attachment(1, self.profile.lmas[0].address),
            ),
        )
        message = granted(message, mag.address, self.key)
        node.ticks = message.options[0].ticks  # type: ignore[attr-defined]
        octets = build(message, mag.address, rms)
        self.unanswered[_key(octets)] = Report(octets, node, node.mag, node.ticks, time.monotonic())
        self._send(node.mag, octets)

    def _send(self, mag: int, octets: bytes) -> None:
        try:
            self.sockets[mag].sendto(octets, (str(self.profile.rms.address), 0))
        except OSError:
            return  # like any other that does not arrive

    def receive(self) -> None:
        for opened in self.sockets:
            for _ in range(1000):
                try:
                    octets = opened.recv(2048)
                except BlockingIOError:
                    break
                report = self.unanswered.pop(_key(octets), None)
                if report is not None:
                    self.answered += 1
                    report.node.answered = max(report.node.answered, report.ticks)

    def repeat(self) -> None:
        now = time.monotonic()
        for key, report in [*self.unanswered.items()]:
            if report.ticks != report.node.ticks:
                if now - report.sent > 30:  # its answer may still come
                    del self.unanswered[key]
            elif now - report.sent > PATIENCE:
                report.sent = now
                self._send(report.mag, report.octets)

    def state(self) -> str:
        nodes = {
            node.prefix.packed[:8].hex(): [self.mags[node.mag].name, node.ticks, node.answered]
            for node in self.nodes
            if node.ticks
        }
        return json.dumps({"handoffs": self.handoffs, "answered": self.answered, "nodes": nodes})

    def run(self) -> None:
        begin = repeated = time.monotonic()
        commands = select.poll()
        commands.register(sys.stdin, select.POLLIN)
        finishing = False
        while True:
            now = time.monotonic()
            if not finishing and (now - begin) * self.rate > self.handoffs:
                self.hand_off(self.nodes[self.handoffs % len(self.nodes)])
                self.handoffs += 1
            else:
                time.sleep(0.001)
            self.receive()
            if now - repeated > PATIENCE / 4:
                repeated = now
                self.repeat()
            if finishing and all(node.answered == node.ticks for node in self.nodes):
                print(self.state(), flush=True)
                return
            if commands.poll(0):
                command = sys.stdin.readline().strip()
                if command == "report":
                    self.receive()
                    print(self.state(), flush=True)
                elif command == "finish":
                    finishing = True
                else:
                    return


def _key(octets: bytes) -> bytes:
    """A message but for its checksum, which the kernel fills in."""
    return octets[:4] + octets[6:]


if __name__ == "__main__":
    Handoffs(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])).run()
