"""Requests, and how an LMA has to answer them (RFC 5213, section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from scapy.layers.inet6 import MIP6OptAltCoA, MIP6OptMNID, Pad1, PadN

from ryu_pmipls.mobility import Effect, LocalMobilityAnchor, Notice, PrefixPool, Send
from ryu_pmipls.wire import BindingAcknowledgement, WireError, build, parse
from tests.unit.mobility.conformance.messages import (
    ANY,
    ATT,
    HI,
    HNP,
    LINK_LOCAL,
    LL_ID,
    MN_ID,
    NAI,
    TIMESTAMP,
    Datagram,
    option,
    pbu,
    read_pba,
    read_pbu,
    timestamp,
)
from tests.unit.mobility.mobility_helpers import (
    DISABLED,
    ELSEWHERE,
    FIXED,
    LMA1,
    MAG2,
    NODE1,
    NODE2,
    NODE3,
    POOL,
    START,
    STRANGER,
    anchor,
    until,
)

#: What an answer has to have, zero or empty if there is nothing to repeat, and what it repeats if it is there.
MANDATORY = {MN_ID: "MN-ID", HI: "HI", ATT: "ATT"}
REPEATED = {LL_ID: "LL-ID", LINK_LOCAL: "link-local", TIMESTAMP: "Timestamp"}
ZERO = {MN_ID: b"\x01", HI: b"\0\0", ATT: b"\0\0"}
#: Seconds that an answer is waited for.
PATIENCE = 2.0


@dataclass(frozen=True)
class Request:
    """A PBU and the answer that it has to get.

    ``status`` None: none at all, for the reason ``why``. An acceptance grants ``lifetime`` (units of 4 s) and
    ``prefixes``: "assigned" (one of the pool that nobody has), "held" (those of the first answer to ``before``) or
    "asked". It comes ``after`` so many seconds. ``sequence`` is that of the request unless it is given.
    """

    title: str
    section: str
    request: Datagram
    status: int | None = 0
    prefixes: str = "assigned"
    lifetime: int = 900
    before: tuple[Datagram, ...] = ()
    after: float = 0.0
    sequence: int | None = None
    why: str = ""
    lma: Mapping[str, Any] = field(default_factory=dict)

    def expected(self) -> str:
        return f"no answer: {self.why}" if self.status is None else "; ".join(_prescribed(self, self.status))

    def got(self) -> str:
        lma = anchor(**self.lma)
        earlier = [
            read_pba(octets)[1][HNP] for datagram in self.before for _, octets in _answers(_deliver(lma, datagram, 0.0))
        ]
        try:
            effects = _deliver(lma, self.request, PATIENCE)
        except WireError as error:
            return f"no answer: {error.reason}"
        found = ["; ".join(_described(self.request, *answer, earlier)) for answer in _answers(effects)]
        reasons = [effect.kind for _, effect in effects if isinstance(effect, Notice)]
        return " and ".join(found) or f"no answer: {', '.join(reasons)}"


def _deliver(lma: LocalMobilityAnchor, datagram: Datagram, patience: float) -> list[tuple[float, Effect]]:
    """What the LMA does about a datagram, and when; ``WireError`` if that is malformed."""
    until(lma, datagram.time)
    lma.receive(parse(datagram.octets, datagram.source, LMA1), datagram.source, datagram.time)
    return [*((datagram.time, effect) for effect in lma.effects()), *until(lma, datagram.time + patience)]


def _answers(effects: list[tuple[float, Effect]]) -> list[tuple[float, bytes]]:
    """The PBAs among effects, and the times at which they are sent."""
    return [
        (when, build(effect.message, LMA1, effect.destination))
        for when, effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, BindingAcknowledgement)
    ]


def _prescribed(case: Request, status: int) -> Iterator[str]:
    """What section 5.3.6 makes of the status."""
    _, asked = read_pbu(case.request.octets)
    accepted = status < 128
    yield f"status {status}"
    if case.after:
        yield f"after {case.after:g} s"
    if case.sequence is not None:
        yield f"sequence {case.sequence}"
    yield f"lifetime {case.lifetime if accepted else 0}"
    yield f"HNP {case.prefixes if accepted else 'asked' if HNP in asked else '::'}"
    own = set()
    if accepted and asked.get(LINK_LOCAL) == [bytes(16)]:
        own.add(LINK_LOCAL)
    if TIMESTAMP in asked and status in (156, 157):
        own.add(TIMESTAMP)
    copied = [number for number in (*MANDATORY, *REPEATED) if number in asked and number not in own]
    yield from _words(copied, [number for number in MANDATORY if number not in asked], sorted(own))


def _described(request: Datagram, time: float, octets: bytes, earlier: list[list[bytes]]) -> Iterator[str]:
    """What an answer says; ``earlier`` are the prefixes of the answers before it."""
    message, asked = read_pbu(request.octets)
    answer, given = read_pba(octets)
    yield f"status {answer.status}"
    if round(time - request.time, 3):
        yield f"after {time - request.time:g} s"
    if answer.seq != message.seq:
        yield f"sequence {answer.seq}"
    if "P" not in str(answer.flags):
        yield "without the flag P"
    yield f"lifetime {answer.mhtime}"
    yield f"HNP {_which(asked.get(HNP, []), given.get(HNP, []), earlier if answer.status < 128 else [])}"
    copied, zero, own = [], [], []
    for number in (*MANDATORY, *REPEATED):
        if number not in given and (number in asked or number in MANDATORY):
            yield f"without {(MANDATORY | REPEATED)[number]}"
        elif number in asked and given[number] == asked[number][:1]:
            copied.append(number)
        elif number in given and number not in asked and given[number] == [ZERO.get(number)]:
            zero.append(number)
        elif number in given and given[number] in ([timestamp(time)], *_link_local(given[number])):
            own.append(number)
        elif number in given:
            yield f"option {number}: {b', '.join(given[number]).hex()}"
    yield from _words(copied, zero, sorted(own))
    for number in given.keys() - {*MANDATORY, *REPEATED, HNP}:
        yield f"option {number}"


def _words(copied: list[int], zero: list[int], own: list[int]) -> Iterator[str]:
    names = MANDATORY | REPEATED
    for word, numbers in (("copied", copied), ("zero", zero), ("the LMA's own", own)):
        if numbers:
            yield f"{word}: {', '.join(names[number] for number in numbers)}"


def _link_local(values: list[bytes]) -> list[list[bytes]]:
    """``values`` again if they are one link-local address."""
    return [values] if len(values[0]) == 16 and IPv6Address(values[0]) in IPv6Network("fe80::/64") else []


def _which(asked: list[bytes], given: list[bytes], earlier: list[list[bytes]]) -> str:
    """A word for the prefixes ``given``."""
    networks = [_network(value) for value in given]
    held = [{_network(value) for value in values} for values in earlier]
    if held and {*networks} == held[0]:
        return "held"
    if not asked and networks == [IPv6Network("::/0")]:
        return "::"
    if given == asked or {*networks} == {_network(value) for value in asked}:
        return "asked"
    if len(networks) == 1 and networks[0] in POOL and not any(networks[0] in known for known in held):
        return "assigned"
    return ", ".join(map(str, networks)) or "none"


def _network(value: bytes) -> IPv6Network:
    return IPv6Network((value[2:18], value[1]), strict=False)


T = START
OWNED, OTHER = str(POOL.prefix(77)), str(POOL.prefix(78))
LINK2 = b"\x02\0\0\0\1\x22"
#: NODE1 at MAG1, by its interface LINK1.
FIRST = pbu(T)
MORE = T + 1
VENDOR = option(19, bytes.fromhex("0000 2710 01 abcdef"), 4, 2)


def reversed_options(found: list[Any]) -> list[Any]:
    return found[::-1]


def padded_options(found: list[Any]) -> list[Any]:
    return [packet for each in found for packet in (each, Pad1(), PadN(optdata=b"\xff" * 5))]


def repeated_options(found: list[Any]) -> list[Any]:
    """All but the prefixes once more, with other values."""
    return [
        *found,
        MIP6OptMNID(id=NODE2.identifier),
        option(HI, b"\0\1"),
        option(ATT, b"\0\5"),
        option(TIMESTAMP, timestamp(T - 5), 8, 2),
        option(LL_ID, bytes(2) + LINK2, 4, 0),
    ]


def cases() -> dict[str, list[Request]]:
    """All cases, by groups."""
    return {
        "Forms of one request": FORMS,
        "Checks, in their order": CHECKS,
        "Order of requests": ORDER,
        "Prefixes of a new session": PREFIXES,
        "Which session is meant": LOOKUP,
        "The life of a session": LIFE,
        "Malformed": MALFORMED,
    }


FORMS = [
    Request("as RFC 5213 draws it", "8.1", FIRST),
    Request("options reversed", "8.1", pbu(T, arrange=reversed_options)),
    Request("options without alignment", "6275, 6.2.1", pbu(T, fields={"autopad": 0})),
    Request(
        "options reversed, without alignment",
        "6275, 6.2.1",
        pbu(T, fields={"autopad": 0}, arrange=reversed_options, link_local="fe80::1"),
    ),
    Request("Pad1 and PadN (not of zeros) behind each option", "6275, 6.2.3", pbu(T, arrange=padded_options)),
    Request(
        "40 octets of PadN at the end", "6275, 6.2.3", pbu(T, more=[PadN(optdata=bytes(18)), PadN(optdata=bytes(18))])
    ),
    Request("unknown options", "6275, 9.2", pbu(T, more=[option(200, b"x" * 9), option(99, b""), option(255, b"?")])),
    Request("vendor-specific options", "8.1", pbu(T, more=[VENDOR, VENDOR])),
    Request("options twice: the first counts", "8.1", pbu(T, arrange=repeated_options)),
    Request("reserved bits set", "6275, 6.1.7", pbu(T, fields={"res": 255, "reserved": 0x10F})),
    Request("flags H, L and K set", "8.1", pbu(T, fields={"flags": "PAHLK"})),
    Request("no Timestamp", "5.5", pbu(T, ahead=None)),
    Request("no LL-ID", "5.4.1.3", pbu(T, link=None)),
    Request("LL-ID of zeros", "5.4.1.2", pbu(T, link=bytes(6))),
    Request("LL-ID of 8 octets", "8.6", pbu(T, link=b"\x02\0\0\xff\xfe\0\0\1")),
    Request(
        "MN-ID of another kind, of nobody", "5.3.1 (7)", pbu(T, nai=None, more=[MIP6OptMNID(subtype=3, id=NAI)]), 153
    ),
    Request("link-local address asked for", "5.3.6", pbu(T, link_local="::")),
    Request("link-local address told", "5.3.6", pbu(T, link_local="fe80::5")),
    Request("lifetime of 1 unit", "5.3.2", pbu(T, lifetime=1), lifetime=1),
    Request("the longest lifetime", "5.3.2", pbu(T, lifetime=65535)),
    Request("another handoff indicator and access technology", "5.3.6", pbu(T, handoff=1, technology=4)),
    Request("Alternate Care-of Address", "5.3.6", pbu(T, more=[MIP6OptAltCoA(acoa=str(MAG2))]), 0),
]

CHECKS = [
    Request("no option at all", "5.3.1 (4)", pbu(T, arrange=lambda found: []), 160),
    Request("no MN-ID", "5.3.1 (4)", pbu(T, nai=None), 160),
    Request("no MN-ID, from a stranger", "5.3.1 (4)", pbu(T, nai=None, source=STRANGER), 160),
    Request("from a stranger, for nobody", "5.3.1 (6)", pbu(T, source=STRANGER, nai=b"who@example.net"), 154),
    Request("for a MAG that is none", "5.3.1 (6)", pbu(T, more=[MIP6OptAltCoA(acoa=str(STRANGER))]), 154),
    Request("MN-ID of nobody, and late", "5.3.1 (7)", pbu(T, nai=b"who@example.net", ahead=-9), 153),
    Request("empty NAI", "5.3.1 (7)", pbu(T, nai=b""), 153),
    Request("NAI padded with NULs: another one", "5.3.1 (7)", pbu(T, nai=NAI + bytes(3)), 153),
    Request("a node of another LMA", "5.3.1 (7)", pbu(T, nai=ELSEWHERE.identifier), 153),
    Request("a node without the service, and late", "5.3.1 (8)", pbu(T, nai=DISABLED.identifier, ahead=-9), 152),
    Request(
        "late, without prefix, HI and ATT",
        "5.3.1 (9)",
        pbu(T, prefixes=(), handoff=None, technology=None, ahead=-9),
        156,
    ),
    Request("no prefix, HI and ATT", "5.3.1 (10)", pbu(T, prefixes=(), handoff=None, technology=None), 158),
    Request("no HI and ATT", "5.3.1 (11)", pbu(T, handoff=None, technology=None), 161),
    Request("no ATT", "5.3.1 (12)", pbu(T, technology=None), 162),
    Request("no ATT, to de-register", "5.3.1 (12)", pbu(T, technology=None, lifetime=0), 162),
    Request("no flag P", "5.3.1 (1)", pbu(T, fields={"flags": "A"}), None, why="not-a-proxy-registration"),
]

ORDER = [
    Request("timestamp 0.29 s behind", "5.5 (6)", pbu(T, ahead=-0.29)),
    Request("timestamp 0.29 s ahead", "5.5 (6)", pbu(T, ahead=0.29)),
    Request("timestamp 0.31 s behind", "5.5 (9)", pbu(T, ahead=-0.31), 156),
    Request("timestamp 0.31 s ahead", "5.5 (9)", pbu(T, ahead=0.31), 156),
    Request("timestamp of 1970", "5.5 (9)", pbu(T, ahead=-T), 156),
    Request("timestamp lower than the last", "5.5 (8)", pbu(T + 0.1, ahead=-0.2), 157, before=(FIRST,)),
    Request(
        "timestamp lower than that of another interface",
        "5.5 (8)",
        pbu(T + 0.1, link=LINK2, handoff=1, ahead=-0.2),
        157,
        before=(FIRST,),
    ),
    Request("the same datagram again", "5.5 (9)", replace(FIRST, time=T + 0.1), 156, before=(FIRST,)),
    Request(
        "again, with the same sequence number and a new timestamp", "5.5 (5)", pbu(MORE), 0, "held", before=(FIRST,)
    ),
    Request(
        "a lower sequence number and a new timestamp", "5.5 (5)", pbu(MORE, sequence=1), 0, "held", before=(FIRST,)
    ),
    Request(
        "no timestamps, sequence number + 1",
        "5.5",
        pbu(MORE, sequence=8, ahead=None),
        0,
        "held",
        before=(pbu(T, ahead=None),),
    ),
    Request(
        "no timestamps, the same sequence number",
        "6275, 9.5.1",
        pbu(MORE, ahead=None),
        135,
        before=(pbu(T, ahead=None),),
    ),
    Request(
        "no timestamps, a lower sequence number",
        "6275, 9.5.1",
        pbu(MORE, sequence=6, ahead=None),
        135,
        before=(pbu(T, ahead=None),),
        sequence=7,
    ),
    Request(
        "no timestamps, sequence number beyond the end",
        "6275, 9.5.1",
        pbu(MORE, sequence=3, ahead=None),
        0,
        "held",
        before=(pbu(T, sequence=65533, ahead=None),),
    ),
]

PREFIXES = [
    Request("one of the LMA's", "5.3.2 (3)", pbu(T, prefixes=(OWNED,)), 0, "asked"),
    Request(
        "one of the LMA's, with bits beyond its length",
        "8.3",
        pbu(T, prefixes=(OWNED.replace("::/", "::5/"),)),
        0,
        "asked",
    ),
    Request("one of the LMA's, twice", "5.3.2 (3)", pbu(T, prefixes=(OWNED, OWNED)), 0, "asked"),
    Request("the one of its profile", "5.3.2 (3)", pbu(T, nai=NODE3.identifier, prefixes=(str(FIXED),)), 0, "asked"),
    Request("any, of a node with a profile", "5.3.2 (1)", pbu(T, nai=NODE3.identifier)),
    Request("any, with a length", "5.3.2 (1)", pbu(T, prefixes=("::/64",))),
    Request("any, twice", "5.3.2 (1)", pbu(T, prefixes=(ANY, ANY))),
    Request("any, and one of the LMA's", "5.3.2 (1)", pbu(T, prefixes=(ANY, OWNED))),
    Request("prefix length 128", "5.3.2 (3)", pbu(T, prefixes=(OWNED.replace("/64", "/128"),)), 155),
    Request("prefix length 0", "5.3.2 (3)", pbu(T, prefixes=(OWNED.replace("/64", "/0"),)), 155),
    Request(
        "prefix length 129",
        "8.3",
        pbu(T, arrange=lambda found: [*found, option(HNP, b"\0\x81" + bytes(16), 8, 4)]),
        None,
        why="value",
    ),
    Request("one of another LMA", "5.3.2 (3)", pbu(T, prefixes=("2001:db8:180::/64",)), 155),
    Request("one of nobody", "5.3.2 (3)", pbu(T, prefixes=("2001:db8:ffff::/64",)), 155),
    Request("one of the LMA's and one of nobody", "5.3.2 (3)", pbu(T, prefixes=(OWNED, "2001:db8:ffff::/64")), 155),
    Request("that of another node's profile", "5.3.2 (3)", pbu(T, prefixes=(str(FIXED),)), 155),
    Request(
        "none left",
        "5.3.2 (2)",
        pbu(MORE, nai=NODE2.identifier),
        130,
        before=(FIRST,),
        lma={"pool": PrefixPool(IPv6Network("2001:db8:100::/64"))},
    ),
    Request(
        "the MAG has its share of the cache",
        "5.3.2 (2)",
        pbu(MORE, nai=NODE2.identifier),
        130,
        before=(FIRST,),
        lma={"max_bindings_per_mag": 1},
    ),
]

#: With prefix (5.4.1.1): NODE1 holds OWNED at MAG1, as registered with LL-ID, or without.
HOLDS = (pbu(T, prefixes=(OWNED,)),)
HOLDS_WITHOUT_LINK = (pbu(T, prefixes=(OWNED,), link=None),)
HOLDS_TWO = (pbu(T), pbu(T + 0.5, link=LINK2, handoff=1))
LEAVES = pbu(T + 0.5, prefixes=(OWNED,), lifetime=0)


def owned(**changes: Any) -> Datagram:
    return pbu(MORE, prefixes=(OWNED,), **changes)


LOOKUP = [
    Request("prefix held by nobody", "5.4.1.1 (2)", owned(), 0, "asked"),
    Request("prefix held by another node", "5.4.1.1 (3)", owned(nai=NODE2.identifier, handoff=2), 155, before=HOLDS),
    Request("held prefix and one more", "5.4.1.1 (4)", pbu(MORE, prefixes=(OWNED, OTHER)), 159, before=HOLDS),
    Request(
        "one of two held prefixes",
        "5.4.1.1 (4)",
        pbu(MORE, prefixes=(OWNED,)),
        159,
        before=(pbu(T, prefixes=(OWNED, OTHER)),),
        lma={"mobile_nodes": (replace(NODE1, prefixes=(IPv6Network(OWNED), IPv6Network(OTHER))),)},
    ),
    Request(
        "both held prefixes, in the other order",
        "5.4.1.1 (5)",
        pbu(MORE, prefixes=(OTHER, OWNED)),
        0,
        "held",
        before=(pbu(T, prefixes=(OWNED, OTHER)),),
        lma={"mobile_nodes": (replace(NODE1, prefixes=(IPv6Network(OWNED), IPv6Network(OTHER))),)},
    ),
    Request("held prefix and any", "5.4.1.1 (4)", pbu(MORE, prefixes=(OWNED, ANY)), 159, before=HOLDS),
    Request(
        "held prefix, same LL-ID and ATT, from another MAG",
        "5.4.1.1 (5)",
        owned(source=MAG2, handoff=3),
        0,
        "held",
        before=HOLDS,
    ),
    Request(
        "held prefix, another LL-ID, HI 2",
        "5.4.1.1 (5)",
        owned(source=MAG2, link=LINK2, technology=4, handoff=2),
        0,
        "held",
        before=HOLDS,
    ),
    Request(
        "held prefix, LL-ID unknown before and now, HI 3",
        "5.4.1.1 (5)",
        owned(source=MAG2, link=None, handoff=3),
        0,
        "held",
        before=HOLDS_WITHOUT_LINK,
    ),
    Request(
        "held prefix, LL-ID of zeros before, unknown now, HI 3",
        "5.4.1.1 (5)",
        owned(source=MAG2, link=None, handoff=3),
        0,
        "held",
        before=(pbu(T, prefixes=(OWNED,), link=bytes(6)),),
    ),
    Request(
        "held prefix, another LL-ID, from the same MAG",
        "5.4.1.1 (5)",
        owned(link=LINK2, handoff=4),
        0,
        "held",
        before=HOLDS,
    ),
    Request(
        "held prefix, another LL-ID and MAG, HI 3: a new session, which cannot have it",
        "5.4.1.1 (6)",
        owned(source=MAG2, link=LINK2, handoff=3),
        155,
        before=HOLDS,
    ),
    Request(
        "held prefix, LL-ID unknown now, HI 3: a new session, which cannot have it",
        "5.4.1.1 (6)",
        owned(source=MAG2, link=None, handoff=3),
        155,
        before=HOLDS,
    ),
    Request(
        "the same to de-register",
        "5.4.1.1 (6)",
        owned(source=MAG2, link=None, handoff=4, lifetime=0),
        None,
        why="late-deregistration",
        before=HOLDS,
    ),
    Request("LL-ID and ATT known", "5.4.1.2 (2)", pbu(MORE, source=MAG2), 0, "held", before=(FIRST,)),
    Request(
        "the same LL-ID with another ATT, HI 1",
        "5.4.1.2 (5)",
        pbu(MORE, source=MAG2, technology=4, handoff=1),
        before=(FIRST,),
    ),
    Request(
        "another LL-ID, HI 2, one session",
        "5.4.1.2 (3)",
        pbu(MORE, source=MAG2, link=LINK2, handoff=2),
        0,
        "held",
        before=(FIRST,),
    ),
    Request(
        "another LL-ID, HI 2, two sessions",
        "5.4.1.2 (3)",
        pbu(MORE, source=MAG2, link=b"\x02\0\0\0\1\x33", handoff=2),
        before=HOLDS_TWO,
    ),
    Request(
        "another LL-ID, HI 4: a new session when the old one stays",
        "5.4.1.2 (4)",
        pbu(MORE, source=MAG2, link=LINK2),
        after=1.5,
        before=(FIRST,),
    ),
    Request(
        "another LL-ID, HI 4, the old session was de-registered",
        "5.4.1.2 (4)",
        pbu(MORE, source=MAG2, link=LINK2),
        0,
        "held",
        before=(*HOLDS, LEAVES),
    ),
    Request(
        "another LL-ID, HI 4, to a LMA that does not wait",
        "5.4.1.2 (4)",
        pbu(MORE, source=MAG2, link=LINK2),
        before=(FIRST,),
        lma={"max_delay_before_new_bce_assign": 0.0},
    ),
    Request(
        "another LL-ID, HI 4, two sessions",
        "5.4.1.2 (5)",
        pbu(MORE, source=MAG2, link=b"\x02\0\0\0\1\x33"),
        before=HOLDS_TWO,
    ),
    Request("another LL-ID, HI 3", "5.4.1.2 (5)", pbu(MORE, source=MAG2, link=LINK2, handoff=3), before=(FIRST,)),
    Request(
        "another LL-ID, HI 4, to de-register",
        "5.4.1.2 (5)",
        pbu(MORE, source=MAG2, link=LINK2, lifetime=0),
        None,
        why="late-deregistration",
        before=(FIRST,),
    ),
    Request(
        "LL-ID unknown, HI 2, one session",
        "5.4.1.3 (2)",
        pbu(MORE, source=MAG2, link=None, handoff=2),
        0,
        "held",
        before=(FIRST,),
    ),
    Request(
        "LL-ID unknown, HI 3, one session",
        "5.4.1.3 (2)",
        pbu(MORE, source=MAG2, link=None, handoff=3),
        0,
        "held",
        before=(FIRST,),
    ),
    Request(
        "LL-ID of zeros, HI 3, one session",
        "5.4.1.3 (2)",
        pbu(MORE, source=MAG2, link=bytes(6), handoff=3),
        0,
        "held",
        before=(FIRST,),
    ),
    Request(
        "LL-ID unknown, HI 3, two sessions",
        "5.4.1.3 (4)",
        pbu(MORE, source=MAG2, link=None, handoff=3),
        before=HOLDS_TWO,
    ),
    Request(
        "LL-ID unknown, HI 4: a new session when the old one stays",
        "5.4.1.3 (3)",
        pbu(MORE, source=MAG2, link=None),
        after=1.5,
        before=(FIRST,),
    ),
    Request(
        "LL-ID unknown, HI 4, the old session was de-registered",
        "5.4.1.3 (3)",
        pbu(MORE, source=MAG2, link=None),
        0,
        "held",
        before=(*HOLDS, LEAVES),
    ),
    Request("LL-ID unknown, HI 1", "5.4.1.3 (4)", pbu(MORE, source=MAG2, link=None, handoff=1), before=(FIRST,)),
]

LIFE = [
    Request("refresh (HI 5) by the same MAG", "5.3.3", owned(handoff=5), 0, "held", before=HOLDS),
    Request("refresh for 1 unit", "5.3.3", owned(handoff=5, lifetime=1), 0, "held", lifetime=1, before=HOLDS),
    Request(
        "refresh after the end of the session",
        "5.3.2",
        pbu(T + 5, prefixes=(OWNED,), handoff=5),
        0,
        "held",
        before=(pbu(T, prefixes=(OWNED,), lifetime=1),),
    ),
    Request("handoff to another MAG", "5.3.4", owned(source=MAG2, handoff=3), 0, "held", before=HOLDS),
    Request(
        "link-local address told once, asked for after the handoff",
        "5.3.6",
        pbu(MORE, source=MAG2, link_local="::"),
        0,
        "held",
        before=(pbu(T, link_local="fe80::5"),),
    ),
    Request("de-registration", "5.3.5 (2)", owned(lifetime=0), 0, "held", lifetime=0, before=HOLDS),
    Request(
        "de-registration, once more", "5.3.5 (2)", owned(lifetime=0), 0, "held", lifetime=0, before=(*HOLDS, LEAVES)
    ),
    Request(
        "de-registration without prefix, by LL-ID",
        "5.4.1.2 (2)",
        pbu(MORE, lifetime=0),
        0,
        "held",
        lifetime=0,
        before=HOLDS,
    ),
    Request("de-registration of no session", "5.4.1.1 (6)", owned(lifetime=0), None, why="late-deregistration"),
    Request(
        "de-registration by a MAG where the node is not (any more)",
        "5.3.5 (1)",
        pbu(MORE, prefixes=(OWNED,), lifetime=0),
        None,
        why="late-deregistration",
        before=(*HOLDS, pbu(T + 0.5, source=MAG2, prefixes=(OWNED,))),
    ),
    Request(
        "registration 9.9 s after the de-registration", "5.3.5 (2)", pbu(T + 10.4), 0, "held", before=(*HOLDS, LEAVES)
    ),
    Request(
        "its prefix asked for by another node 10.1 s after the de-registration",
        "5.3.5 (2)",
        pbu(T + 10.6, nai=NODE2.identifier, prefixes=(OWNED,), link=LINK2),
        0,
        "held",
        before=(*HOLDS, LEAVES),
    ),
    Request(
        "its prefix asked for by another node 9.9 s after the de-registration",
        "5.3.5 (2)",
        pbu(T + 10.4, nai=NODE2.identifier, prefixes=(OWNED,), link=LINK2),
        155,
        before=(*HOLDS, LEAVES),
    ),
]

MALFORMED = [
    Request("wrong checksum", "6275, 9.2", pbu(T, fields={"cksum": 0x1234}), None, why="checksum"),
    Request("Payload Proto not 59", "6275, 9.2", pbu(T, fields={"nh": 58}), None, why="payload-proto"),
    Request(
        "Header Len beyond the datagram",
        "6275, 9.2",
        pbu(T, edit=lambda octets: octets[:1] + bytes([octets[1] + 1]) + octets[2:]),
        None,
        why="length",
    ),
    Request(
        "octets behind Header Len", "6275, 6.1.1", pbu(T, edit=lambda octets: octets + bytes(8)), None, why="length"
    ),
    Request(
        "an option that runs past the end",
        "6275, 9.2",
        pbu(T, more=[option(200, b"")], edit=lambda octets: octets[:-1] + b"\xc8"),
        None,
        why="option-length",
    ),
    Request(
        "MN-ID without its sub-type", "4283, 3", pbu(T, nai=None, more=[option(MN_ID, b"")]), None, why="option-length"
    ),
    Request(
        "a prefix option of 17 octets",
        "8.3",
        pbu(T, prefixes=(), more=[option(HNP, bytes(17))]),
        None,
        why="option-length",
    ),
    Request(
        "a timestamp of 7 octets",
        "8.8",
        pbu(T, ahead=None, more=[option(TIMESTAMP, bytes(7))]),
        None,
        why="option-length",
    ),
]
