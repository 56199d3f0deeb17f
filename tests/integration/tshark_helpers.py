"""tshark on Mobility Headers: what it finds in each message of a capture."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

IPV6_HEADER = 40


@dataclass(frozen=True)
class Shown:
    """A field as tshark has it: name, offset from the start of the Mobility Header, octets, value, text."""

    name: str
    offset: int
    octets: int
    value: str
    text: str


def over_ipv6(octets: bytes, source: IPv6Address, destination: IPv6Address) -> Packet:
    return IPv6(src=str(source), dst=str(destination), nh=135) / Raw(octets)


def in_udp(octets: bytes, source: IPv6Address, destination: IPv6Address) -> Packet:
    return IPv6(src=str(source), dst=str(destination)) / UDP(sport=5436, dport=5436) / Raw(octets)


def tshark(directory: Path, packets: Iterable[Packet], protocol: str, *options: str) -> list[list[Shown]]:
    """All fields of a protocol that tshark finds in each packet, in order; one run for all packets.

    It runs as nobody when we are root, as whom it loads no Lua scripts from version 4.4 on.
    """
    capture = directory / "packets.pcap"
    wrpcap(str(capture), packets)
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    pdml = subprocess.run(
        ["tshark", *options, "-r", "-", "-T", "pdml"],
        input=capture.read_bytes(),
        check=True,
        capture_output=True,
        timeout=120,
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        **nobody,
    ).stdout
    return [list(_fields(packet, protocol)) for packet in ElementTree.fromstring(pdml).findall("packet")]


def _fields(packet: ElementTree.Element, protocol: str) -> Iterator[Shown]:
    header = packet.find(f".//proto[@name='{protocol}']")
    if header is None:
        return
    for field in header.iter("field"):
        yield Shown(
            field.get("name", ""),
            int(field.get("pos", 0)) - IPV6_HEADER,
            int(field.get("size", 0)),
            field.get("value", ""),
            field.get("show", ""),
        )


def number(value: object) -> int:
    """The octets of a value as one number: of a field that is not aligned to octets tshark gives the bits."""
    if isinstance(value, (IPv4Address, IPv6Address)):
        value = value.packed
    if isinstance(value, bytes):
        return int.from_bytes(value, "big")
    assert isinstance(value, int)
    return value
