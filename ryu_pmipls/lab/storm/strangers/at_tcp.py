"""Strangers at ports for connections: OpenFlow, the REST interfaces of RMS and agents, BGP."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from random import Random

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import RMS
from ryu_pmipls.lab.storm.strangers.kinds import Port, StrangerKind, connect, crowd, octets, one_by_one

_BGP = 179
_HOLD = 4.0  # s for which a crowd stays
_HELLO = bytes.fromhex("0400000800000001")
#: A HELLO with an element of length 0; a flow-mod with an instruction of length 0.
_ENDLESS = (
    bytes.fromhex("04000010000000010001000000000000"),
    bytes.fromhex("040e004000000001")
    + bytes(40)
    + bytes.fromhex("0001000400000000")
    + bytes.fromhex("0004000000000000"),
)
_FEATURES_REQUEST, _FEATURES_REPLY, _ECHO_REQUEST, _ECHO_REPLY = 5, 6, 2, 3


def _rms(_profile: Profile) -> tuple[str, ...]:
    return (RMS,)


def _openflow(lab: Lab) -> Port:
    return None, str(lab.profile.rms.address), lab.profile.rms.openflow.port


def _openflow_garbage(lab: Lab, _target: str, random: Random) -> None:
    def message() -> bytes:
        body = octets(random, 0, 200)
        length = random.choice((8 + len(body), random.randrange(0x10000)))
        return struct.pack("!BBHI", 4, random.randrange(32), length, random.getrandbits(32)) + body

    sayings = [*_ENDLESS, *(octets(random, 1, 3000) for _ in range(10))]
    sayings += [random.choice((b"", _HELLO)) + message() for _ in range(40)]
    one_by_one(_openflow(lab), sayings)


def _openflow_crowd(lab: Lab, _target: str, random: Random) -> None:
    words = (b"", _HELLO, _HELLO[:5], _HELLO + bytes.fromhex("0402000800000002"))
    crowd(_openflow(lab), 300, _HOLD, lambda _: random.choice(words))


def _impostors(profile: Profile) -> tuple[str, ...]:
    return tuple(node.name for node in (*profile.lmas, *profile.mags))


def _impostor(lab: Lab, target: str, random: Random) -> None:
    """Claim to be the switch of a node: from the RMS's host, from another node, or from the node itself."""
    _, host, number = _openflow(lab)
    place = random.choice((None, *lab.plan.switches))
    (node,) = [node for node in (*lab.profile.lmas, *lab.profile.mags) if node.name == target]
    features = struct.pack("!QIBB2xII", node.datapath_id, 0, 254, 0, 0x4F, 0)
    with suppress(OSError), connect((place and lab.namespace(place), host, number)) as opened:
        opened.sendall(_HELLO)
        opened.settimeout(0.5)
        ends = time.monotonic() + random.uniform(0.5, _HOLD)
        while time.monotonic() < ends:
            try:
                head = opened.recv(8, socket.MSG_WAITALL)
                if len(head) < 8:
                    return
                _, kind, length, number = struct.unpack("!BBHI", head)
                body = opened.recv(length - 8, socket.MSG_WAITALL) if length > 8 else b""
            except TimeoutError:
                continue
            if kind == _FEATURES_REQUEST:
                opened.sendall(struct.pack("!BBHI", 4, _FEATURES_REPLY, 32, number) + features)
            elif kind == _ECHO_REQUEST:
                opened.sendall(struct.pack("!BBHI", 4, _ECHO_REPLY, length, number) + body)


# HTTP


def _rest(lab: Lab) -> Port:
    return None, lab.profile.rms.rest.host, lab.profile.rms.rest.port


def _servers(profile: Profile) -> tuple[str, ...]:
    return (RMS, *(node.name for node in (*profile.lmas, *profile.mags) if node.api is not None))


def _server(lab: Lab, target: str) -> Port:
    if target == RMS:
        return _rest(lab)
    (api,) = [node.api for node in (*lab.profile.lmas, *lab.profile.mags) if node.name == target]
    assert api is not None
    return lab.namespace(target), api.host, api.port


def _request(line: str, *headers: str, body: bytes = b"", host: str = "localhost") -> bytes:
    return "\r\n".join((line, f"Host: {host}", *headers, "", "")).encode() + body


def _foreign_commands(lma: str) -> list[bytes]:
    """Drains of an LMA as pages of another site have browsers send them: by DNS rebinding, and by a name of ours."""
    headers = ("Content-Type: application/json", "Content-Length: 2")
    return [
        _request(f"POST /v1/{path} HTTP/1.1", *headers, *origin, body=b"{}", host=host)
        for path in (f"lmas/{lma}/drain", "drain")
        for host, origin in (("evil.example", ()), ("localhost", ("Origin: http://evil.example",)))
    ]


def _http_garbage(lab: Lab, target: str, random: Random) -> None:
    kind = "Content-Type: application/json"
    wrong = [
        b"{",
        b"[]",
        b'{"lma": 5}',
        b'{"policy": "best"}',
        b'{"identifier": null}',
        b'{"drain": ["lma9"]}',
        b"\xff",
    ]
    sayings = [octets(random, 1, 3000) for _ in range(10)]
    for path in ("lmas/lma1/drain", "mags/mag1/adjust", "policy", "dry-run", "attach", "detach", "revoke"):
        body = random.choice(wrong)
        guess = random.choice([(), (f"Authorization: Bearer {random.getrandbits(256):x}",)])
        length = f"Content-Length: {len(body)}"
        sayings.append(_request(f"POST /v1/{path} HTTP/1.1", kind, length, *guess, body=body))
    sayings += _foreign_commands(random.choice([lma.name for lma in lab.profile.lmas]))
    large = b'{"drain": [' + b"0," * 30_000 + b"0]}"
    sayings.append(_request("POST /v1/dry-run HTTP/1.1", kind, f"Content-Length: {len(large)}", body=large))
    sayings.append(_request(f"GET /v1/{'x' * 20_000} HTTP/1.1"))
    sayings.append(_request("GET /v1/bindings HTTP/1.1", *(f"X-{number}: y" for number in range(2000))))
    one_by_one(_server(lab, target), sayings)


def _half_requests(lab: Lab, target: str, random: Random) -> None:
    whole = _request("POST /v1/policy HTTP/1.1", "Content-Type: application/json", "Content-Length: 100", body=b"{")
    crowd(_server(lab, target), 150, _HOLD, lambda _: whole[: random.randrange(len(whole))])


# BGP


def _routers(profile: Profile) -> tuple[str, ...]:
    assert profile.lab is not None
    return (profile.lab.correspondent.name, *(lma.name for lma in profile.lmas))


def _bgp_garbage(lab: Lab, target: str, random: Random) -> None:
    """From a host of the core that is no neighbour of the target: an LMA's at another one, the router's at itself."""
    lmas = {lma.name: str(lma.core.address.ip) for lma in lab.profile.lmas}
    router = lab.plan.correspondent
    host = lmas.get(target, str(lab.plan.correspondent_address.ip))
    place = random.choice([name for name in (*lmas, router) if name != target]) if target in lmas else router
    marker, keepalive = b"\xff" * 16, b"\0\x13\4"
    sayings = [octets(random, 1, 3000) for _ in range(5)]
    sayings += [marker + keepalive, marker + b"\0\x1d\1\4" + octets(random, 25, 25), marker + octets(random, 3, 4000)]
    one_by_one((lab.namespace(place), host, _BGP), sayings)


KINDS = {
    "garbage at OpenFlow": StrangerKind(_rms, _openflow_garbage),
    "crowd at OpenFlow": StrangerKind(_rms, _openflow_crowd),
    "impostor of a switch": StrangerKind(_impostors, _impostor),
    "garbage at REST": StrangerKind(_servers, _http_garbage),
    "half requests at REST": StrangerKind(_servers, _half_requests),
    "garbage at BGP": StrangerKind(_routers, _bgp_garbage),
}
