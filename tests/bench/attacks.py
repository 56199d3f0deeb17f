"""Handoffs while strangers do at the RMS's ports what once stopped it, against the same handoffs without them.

``python -m tests.bench.attacks ATTACK PROFILE`` attacks until it is ended (:data:`ATTACKS`).
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from ryu_pmipls import descriptors
from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.lab.storm.strangers.kinds import Port, connect, crowd, one_by_one
from tests.bench.arena import RMS_PORT, Arena
from tests.bench.comparison import Comparison, Effort
from tests.bench.load_generator import Job, Outcome

LMAS, NODES = 2, 500
#: Handoffs per second, and for how many seconds.
RATE, SECONDS = 200, 10
#: Times as long as without the attack that a handoff may take, in the mean.
AT_MOST = 5.0
_CROWD = 1011
_HELLO = bytes.fromhex("0400000800000001")
_ENDLESS_HELLO = bytes.fromhex("04000010000000010001000000000000")
_ECHO_REQUEST, _ECHO_REPLY, _FEATURES_REQUEST, _FEATURES_REPLY = 2, 3, 5, 6


def measure(effort: Effort) -> list[Comparison]:
    job = Job(effort.of(RATE * SECONDS), NODES, rate=RATE)
    with Arena(LMAS) as arena:
        arena.start_switches([RMS_PORT])
        arena.start_rms()
        arena.generate(Job(NODES, NODES, 64))
        undisturbed = arena.generate(job)
        comparisons = []
        for name in ATTACKS:
            attacker = arena.start(
                [sys.executable, "-m", "tests.bench.attacks", name, str(arena.profile_path)], "attacker.log"
            )
            time.sleep(effort.of(1))
            attacked = arena.generate(job)
            arena.end(attacker)
            comparisons.append(_comparison(name, attacked, undisturbed))
    return comparisons


def _comparison(name: str, attacked: Outcome, undisturbed: Outcome) -> Comparison:
    yardstick = f"without it; the slowest {_slowest(undisturbed)}"
    operation = f"handoff while {name}; the slowest {_slowest(attacked)}"
    return Comparison(operation, 1 / _mean(attacked), yardstick, 1 / _mean(undisturbed), 1 / AT_MOST)


def _mean(outcome: Outcome) -> float:
    return sum(outcome.latencies) / len(outcome.latencies)


def _slowest(outcome: Outcome) -> str:
    return f"{outcome.latencies[-1] * 1000:.0f} ms"


# Attacks, each for as long as it takes; they go on without end.


def _openflow(profile: Profile) -> Port:
    return None, str(profile.rms.address), profile.rms.openflow.port


def _rest(profile: Profile) -> Port:
    return None, profile.rms.rest.host, profile.rms.rest.port


def _endless_element(profile: Profile) -> None:
    one_by_one(_openflow(profile), [_ENDLESS_HELLO])
    time.sleep(0.02)


def _big_body(octets: int) -> Callable[[Profile], None]:
    """A dry run of a drain of very many LMAs."""

    def attack(profile: Profile) -> None:
        body = b'{"drain":[' + b"0," * (octets // 2) + b"0]}"
        head = "POST /v1/dry-run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with suppress(OSError), connect(_rest(profile)) as opened:
            opened.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            opened.recv(1000)
        time.sleep(0.1)

    return attack


def _idle_crowd(profile: Profile) -> None:
    crowd(_rest(profile), _CROWD, 2.0, lambda _: b"GET /v1/he")


def _greeting_crowd(profile: Profile) -> None:
    crowd(_openflow(profile), _CROWD, 2.0, lambda _: _HELLO + bytes.fromhex("0402000800000002"))


def _impostor(profile: Profile) -> None:
    """Claim to be the switch of an LMA, and answer as it would."""
    features = struct.pack("!QIBB2xII", profile.lmas[0].datapath_id, 0, 254, 0, 0x4F, 0)
    with suppress(OSError), connect(_openflow(profile)) as opened:
        opened.sendall(_HELLO)
        for kind, number, body in _messages(opened):
            if kind == _FEATURES_REQUEST:
                opened.sendall(struct.pack("!BBHI", 4, _FEATURES_REPLY, 8 + len(features), number) + features)
            elif kind == _ECHO_REQUEST:
                opened.sendall(struct.pack("!BBHI", 4, _ECHO_REPLY, 8 + len(body), number) + body)
    time.sleep(0.1)


def _messages(opened: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, transaction id, body) of the messages that come, for as long as any do."""
    while len(head := opened.recv(8, socket.MSG_WAITALL)) == 8:
        _, kind, length, number = struct.unpack("!BBHI", head)
        yield kind, number, opened.recv(length - 8, socket.MSG_WAITALL) if length > 8 else b""


#: What strangers do -> how.
ATTACKS: Mapping[str, Callable[[Profile], None]] = {
    "HELLOs have an element of length 0": _endless_element,
    "a dry run is to drain 2 MB of LMAs": _big_body(2_000_000),
    "a dry run is to drain 20 MB of LMAs": _big_body(20_000_000),
    f"{_CROWD} say HELLO to OpenFlow and no more": _greeting_crowd,
    f"{_CROWD} begin a request of REST": _idle_crowd,
    "somebody claims to be a switch": _impostor,
}


def main(name: str, profile_path: str) -> None:
    descriptors.provide(2 * _CROWD)
    profile = load_profile(profile_path)
    while True:
        ATTACKS[name](profile)


if __name__ == "__main__":
    main(*sys.argv[1:])
