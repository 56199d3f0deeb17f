"""Acknowledgements, and what a MAG has to make of them (RFC 5213, section 6.9.1.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any

from scapy.layers.inet6 import MIP6MH_BA, MIP6OptMNID, Pad1, PadN
from scapy.packet import Packet

from ryu_pmipls.mobility import Advertise, Effect, MobileNodePolicy, Send, SynchroniseClock
from ryu_pmipls.wire import BindingUpdate, RouteAdjust, WireError, build, parse
from tests.unit.mobility.conformance.messages import (
    ATT,
    HI,
    HNP,
    LL_ID,
    NAI,
    TIMESTAMP,
    mobility_header,
    option,
    options,
    read_pbu,
    timestamp,
)
from tests.unit.mobility.mobility_helpers import FIXED, LMA1, LMA2, MAG1, NODE1, NODE2, NODE3, START, gateway, until

PREFIX, OTHER = "2001:db8:100:1::/64", "2001:db8:100:2::/64"
PORT = 3
#: When the acknowledgement comes (s after the request).
DELAY = 0.25


@dataclass(frozen=True)
class Acknowledgement:
    """A PBA to the first PBU for a node, and what the MAG has to do about it, in the words of ``got``.

    ``changes`` are those of ``options``, ``fields`` go to scapy as they are.
    """

    title: str
    section: str
    result: str
    status: int = 0
    lifetime: int = 900
    prefixes: Sequence[str] = (PREFIX,)
    source: IPv6Address = LMA1
    arrange: Callable[[list[Packet]], Sequence[Packet]] = list
    fields: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    node: MobileNodePolicy = NODE1

    def expected(self) -> str:
        return self.result

    def got(self) -> str:
        mag = gateway()
        mag.attach(self.node.link_layer_address, PORT, START)
        [request] = _requests(mag.effects())
        try:
            message = parse(self.octets(request), self.source, MAG1)
        except WireError as error:
            return f"ignored: {error.reason}"
        mag.receive(message, self.source, START + DELAY)
        effects = mag.effects()
        later = [effect for _, effect in until(mag, START + 5)]
        mag.attach(self.node.link_layer_address, PORT, START + 5)
        return "; ".join(_described(effects, later, mag.effects()))

    def octets(self, request: bytes) -> bytes:
        """The PBA to the octets of a request."""
        chosen = {"seq": read_pbu(request)[0].seq, "status": self.status, "flags": "P", "mhtime": self.lifetime}
        repeated = {"nai": self.node.identifier, "link": self.node.link_layer_address, "prefixes": self.prefixes}
        found = self.arrange(options(START, **(repeated | self.changes)))
        return mobility_header(MIP6MH_BA(**(chosen | self.fields), options=list(found)), self.source, MAG1)


def _requests(effects: list[Effect]) -> list[bytes]:
    return [
        build(effect.message, MAG1, effect.destination)
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, BindingUpdate)
    ]


def _described(effects: list[Effect], later: list[Effect], attached: list[Effect]) -> Iterator[str]:
    """What a MAG does at once, in the seconds after that, and when the mobile node solicits again."""
    held = [effect for effect in effects if isinstance(effect, Advertise)]
    for effect in held:
        yield f"advertises {', '.join(map(str, effect.prefixes))} for {effect.lifetime} s"
    if any(isinstance(effect, Send) and isinstance(effect.message, RouteAdjust) for effect in effects):
        yield "tells the RMS"
    if any(isinstance(effect, SynchroniseClock) for effect in effects):
        yield "sets its clock"
    at_once, later_on, then = _requests(effects), _requests(later), _requests(attached)
    if at_once:
        yield "asks at once for any prefix" if read_pbu(at_once[0])[1][HNP] == [bytes(18)] else "asks at once"
    elif held:
        pass
    elif later_on:
        yield "sends the request again"
    elif then:
        yield "serves the node no longer, until it attaches again"
    else:
        yield "serves the node no longer, until the administrator acts"


ACCEPTED = f"advertises {PREFIX} for 3599 s; tells the RMS"
AGAIN = "sends the request again"
DENIED = "serves the node no longer, until it attaches again"
BARRED = "serves the node no longer, until the administrator acts"
ASKS_FOR_ANY = "asks at once for any prefix"


def padded(found: list[Packet]) -> list[Packet]:
    return [packet for each in found for packet in (each, Pad1(), PadN(optdata=b"\xff" * 5))]


def repeated(found: list[Packet]) -> list[Packet]:
    """All but the prefix once more, with other values."""
    return [
        *found,
        MIP6OptMNID(id=NODE2.identifier),
        option(HI, b"\0\1"),
        option(ATT, b"\0\5"),
        option(TIMESTAMP, timestamp(START - 5), 8, 2),
        option(LL_ID, bytes(2) + NODE2.link_layer_address, 4, 0),
    ]


FORMS = [
    Acknowledgement("as RFC 5213 draws it", "8.2", ACCEPTED),
    Acknowledgement("options reversed", "8.2", ACCEPTED, arrange=lambda found: found[::-1]),
    Acknowledgement("options without alignment", "6275, 6.2.1", ACCEPTED, fields={"autopad": 0}),
    Acknowledgement("Pad1 and PadN (not of zeros) behind each option", "6275, 6.2.3", ACCEPTED, arrange=padded),
    Acknowledgement(
        "unknown options", "6275, 9.2", ACCEPTED, changes={"more": [option(200, b"x" * 9), option(99, b"")]}
    ),
    Acknowledgement("options twice: the first counts", "8.2", ACCEPTED, arrange=repeated),
    Acknowledgement("reserved bits set", "6275, 6.1.8", ACCEPTED, fields={"res": 255, "res2": 31}),
    Acknowledgement("no Timestamp", "5.5", ACCEPTED, changes={"ahead": None}),
    Acknowledgement(
        "no LL-ID, HI and ATT", "6.9.1.2 (6)", ACCEPTED, changes={"link": None, "handoff": None, "technology": None}
    ),
    Acknowledgement("no MN-ID", "6.9.1.2 (5)", ACCEPTED, changes={"nai": None}),
    Acknowledgement(
        "link-local address, which the MAG has not asked for",
        "6.9.1.2 (15)",
        ACCEPTED,
        changes={"link_local": "fe80::5"},
    ),
    Acknowledgement("lifetime of 1 unit", "6.9.1.2 (14)", f"advertises {PREFIX} for 3 s; tells the RMS", lifetime=1),
    Acknowledgement(
        "two prefixes",
        "6.9.1.2 (14)",
        f"advertises {PREFIX}, {OTHER} for 3599 s; tells the RMS",
        prefixes=(PREFIX, OTHER),
    ),
    Acknowledgement("status 1", "6275, 6.1.8", ACCEPTED, status=1),
]

MATCHING = [
    Acknowledgement("another sequence number", "6.9.1.2 (5)", AGAIN, fields={"seq": 99}),
    Acknowledgement("of another LMA", "6.9.1.2 (5)", AGAIN, source=LMA2),
    Acknowledgement("no flag P", "6.9.1.2 (1)", AGAIN, fields={"flags": ""}),
    Acknowledgement("another MN-ID", "6.9.1.2 (5)", AGAIN, changes={"nai": NODE2.identifier}),
    Acknowledgement("MN-ID padded with NULs", "6.9.1.2 (5)", AGAIN, changes={"nai": NAI + bytes(3)}),
    Acknowledgement("empty MN-ID", "6.9.1.2 (5)", AGAIN, changes={"nai": b""}),
    Acknowledgement("another HI", "6.9.1.2 (6)", BARRED, changes={"handoff": 1}),
    Acknowledgement("another ATT", "6.9.1.2 (6)", BARRED, changes={"technology": 4}),
    Acknowledgement("another LL-ID", "6.9.1.2 (6)", BARRED, changes={"link": NODE2.link_layer_address}),
    Acknowledgement("another LL-ID, refused", "6.9.1.2 (6)", BARRED, 130, changes={"link": NODE2.link_layer_address}),
    Acknowledgement("accepted without a prefix", "5.3.6", DENIED, prefixes=()),
    Acknowledgement("accepted with the prefix ::", "5.3.6", DENIED, prefixes=("::/0",)),
    Acknowledgement("accepted without lifetime", "5.3.6", DENIED, lifetime=0),
    Acknowledgement("wrong checksum", "6275, 9.2", "ignored: checksum", fields={"cksum": 0x1234}),
]


def refusal(status: int, words: str, section: str, result: str) -> Acknowledgement:
    return Acknowledgement(f"{status} {words}", section, result, status, 0, ("::/0",))


STATUS = [
    refusal(128, "reason unspecified", "6.9.1.2 (11)", DENIED),
    refusal(129, "administratively prohibited", "6.9.1.2 (11)", DENIED),
    refusal(130, "insufficient resources", "6.9.1.2 (11)", DENIED),
    refusal(135, "sequence number out of window", "6.9.1.2 (11)", DENIED),
    refusal(152, "PROXY_REG_NOT_ENABLED", "6.9.1.2 (7)", BARRED),
    refusal(153, "NOT_LMA_FOR_THIS_MOBILE_NODE", "6.9.1.2 (11)", DENIED),
    refusal(154, "MAG_NOT_AUTHORIZED_FOR_PROXY_REG", "6.9.1.2 (11)", DENIED),
    Acknowledgement(
        "155 NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX, of the one that was asked for",
        "6.9.1.2 (10)",
        ASKS_FOR_ANY,
        155,
        0,
        (str(FIXED),),
        node=NODE3,
    ),
    refusal(155, "NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX, though any was asked for", "6.9.1.2 (11)", DENIED),
    refusal(156, "TIMESTAMP_MISMATCH", "6.9.1.2 (9)", f"sets its clock; {AGAIN}"),
    refusal(157, "TIMESTAMP_LOWER_THAN_PREV_ACCEPTED", "6.9.1.2 (8)", AGAIN),
    refusal(158, "MISSING_HOME_NETWORK_PREFIX_OPTION", "6.9.1.2 (11)", DENIED),
    Acknowledgement(
        "159 BCE_PBU_PREFIX_SET_DO_NOT_MATCH", "5.4.1.1 (4)", ASKS_FOR_ANY, 159, 0, (str(FIXED),), node=NODE3
    ),
    refusal(160, "MISSING_MN_IDENTIFIER_OPTION", "6.9.1.2 (11)", DENIED),
    refusal(161, "MISSING_HANDOFF_INDICATOR_OPTION", "6.9.1.2 (11)", DENIED),
    refusal(162, "MISSING_ACCESS_TECH_TYPE_OPTION", "6.9.1.2 (11)", DENIED),
    refusal(255, "unknown", "6.9.1.2 (11)", DENIED),
]


def cases() -> dict[str, list[Acknowledgement]]:
    """All cases, by groups."""
    return {"Forms of one acknowledgement": FORMS, "What matches the request": MATCHING, "Refusals": STATUS}
