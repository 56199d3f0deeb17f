"""Endpoints on live sockets in a network namespace: raw protocol 135 and UDP, plain and under eventlet."""

from __future__ import annotations

import errno
import random
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import Literal

import pytest
from pyroute2 import netns

from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.signalling.keys import KeyFileError, generate
from ryu_pmipls.signalling.sockets import MOST, open_udp, socket_address
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingError,
    BindingErrorStatus,
    HomeNetworkPrefix,
    LoadAdjust,
    LoadInfo,
    MagLoad,
    Message,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    build,
)
from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER
from tests.waiting import PATIENCE, eventually

NAMESPACE = "pag-sig"
PROFILE = load_profile("two-lma")
RMS, LMA, MAG = PROFILE.rms.address, PROFILE.lmas[0].address, PROFILE.mags[0].address
STRANGER = IPv6Address("fd00:5213::77")
MAG2 = PROFILE.mags[1].address
REQUEST = TunnelRequest(MAG)

Transport = Literal["raw", "udp"]
Sender = Callable[[bytes, IPv6Address, IPv6Address], None]


@pytest.fixture
def namespace() -> Iterator[str]:
    netns.create(NAMESPACE)
    try:
        commands = ["link set lo up"] + [
            f"address add {each}/128 dev lo nodad" for each in (RMS, LMA, MAG, MAG2, STRANGER)
        ]
        for command in commands:
            subprocess.run(["ip", "-n", NAMESPACE, *command.split()], check=True)
        netns.pushns(NAMESPACE)
        try:
            yield NAMESPACE
        finally:
            netns.popns()
    finally:
        netns.remove(NAMESPACE)


@pytest.fixture(params=["raw", "udp"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def profile(namespace: str, transport: Transport) -> Profile:
    return PROFILE.model_copy(update={"signalling": PROFILE.signalling.model_copy(update={"transport": transport})})


@pytest.fixture
def endpoints(profile: Profile) -> Iterator[dict[Role, Endpoint]]:
    """One of each role, all in one namespace."""
    addresses = {Role.RMS: RMS, Role.LMA: LMA, Role.MAG: MAG}
    opened = {role: Endpoint(profile, role, address, Counter()) for role, address in addresses.items()}
    yield opened
    for endpoint in opened.values():
        endpoint.close()


@pytest.fixture
def send(profile: Profile, transport: Transport) -> Sender:
    """Send any octets, source, destination."""

    def send_it(data: bytes, source: IPv6Address, destination: IPv6Address) -> None:
        port = profile.signalling.udp_port if transport == "udp" else 0
        kind, protocol = (socket.SOCK_DGRAM, 0) if transport == "udp" else (socket.SOCK_RAW, MOBILITY_HEADER)
        with socket.socket(socket.AF_INET6, kind, protocol) as sender:
            sender.bind((str(source), 0))
            sender.sendto(data, (str(destination), port))

    return send_it


def drained(endpoint: Endpoint) -> list[tuple[Message, IPv6Address]]:
    """All that has come in, as soon as there is something."""
    return eventually(lambda: list(endpoint.drain()), "a message")


def refused(endpoint: Endpoint, reasons: dict[str, int]) -> bool:
    """Whether just that is refused of what has come in, and nothing passes."""
    passed: list[object] = []

    def all_read() -> bool:
        passed.extend(endpoint.drain())
        return sum(endpoint.refused.values()) + len(passed) >= sum(reasons.values())

    eventually(all_read, "the last datagram")
    return not passed and endpoint.refused == reasons


def test_a_message_arrives_as_it_was_sent(endpoints: dict[Role, Endpoint]) -> None:
    """On a raw socket the kernel puts in its own checksum and checks it: ours is the same."""
    message = RouteAdjust(IPv6Address("2001:db8:100::"), IPv6Address("::"), MAG, options=(Timestamp(1),))
    endpoints[Role.MAG].send(message, RMS)
    assert drained(endpoints[Role.RMS]) == [(message, MAG)]
    assert not endpoints[Role.RMS].refused


def test_an_answer_that_no_message_can_hold_is_counted(endpoints: dict[Role, Endpoint]) -> None:
    prefixes = tuple(HomeNetworkPrefix(IPv6Address(number), 64) for number in range(90))
    endpoints[Role.LMA].send(BindingAcknowledgement(155, 1, 0, options=prefixes), MAG)
    assert endpoints[Role.LMA].refused == {"send: too long": 1}


def test_all_numbers_of_the_profile_are_used(profile: Profile) -> None:
    inner = profile.signalling.inner_types.model_copy(update={"tunnel_request": 77})
    other = profile.signalling.model_copy(update={"mobility_header_type": 200, "inner_types": inner})
    endpoint = Endpoint(profile.model_copy(update={"signalling": other}), Role.MAG, MAG, Counter())
    data = endpoint.encode(REQUEST, LMA)
    endpoint.close()
    assert (data[2], data[6]) == (200, 77)


@pytest.mark.parametrize("lenient", [True, False])
def test_e03_the_drafted_length_is_logged_or_refused(
    profile: Profile, send: Sender, caplog: pytest.LogCaptureFixture, lenient: bool
) -> None:
    message = RouteAdjust(IPv6Address("2001:db8:100::"), IPv6Address("::"), MAG)
    octets = bytearray(build(message, MAG, RMS))
    octets[7] = 32
    octets[4:6] = b"\0\0"
    octets[4:6] = checksum(MAG, RMS, MOBILITY_HEADER, bytes(octets)).to_bytes(2, "big")
    signalling = profile.signalling.model_copy(update={"lenient": lenient})
    caplog.set_level("INFO")
    endpoint = Endpoint(profile.model_copy(update={"signalling": signalling}), Role.RMS, RMS, Counter())
    send(bytes(octets), MAG, RMS)
    if lenient:
        assert drained(endpoint) == [(message, MAG)]
        assert not endpoint.refused
    else:
        assert refused(endpoint, {"malformed: length": 1})
    endpoint.close()
    assert ("erratum E3" in caplog.text) == lenient


def test_random_octets_are_counted_and_nothing_else_happens(endpoints: dict[Role, Endpoint], send: Sender) -> None:
    """With a right checksum, so that they get as far as they can."""
    chance = random.Random(5213)
    sent = 0
    for length in (*range(6, 64), 88, 300, 1400):
        data = bytearray(chance.randbytes(length))
        for shape in range(3):
            if shape and length >= 8 and length % 8 == 0:
                data[0], data[1] = 59, length // 8 - 1
                data[2] = chance.choice((5, 6, 7, 11, 13, 16, 19, 20)) if shape == 2 else data[2]
            data[4:6] = b"\0\0"
            data[4:6] = struct.pack("!H", checksum(MAG, LMA, MOBILITY_HEADER, bytes(data)))
            send(bytes(data), MAG, LMA)
            sent += 1
    lma = endpoints[Role.LMA]
    passed: list[object] = []
    eventually(
        lambda: passed.extend(lma.drain()) or len(passed) + sum(lma.refused.values()) >= sent, "the last datagram"
    )
    assert len(passed) + sum(lma.refused.values()) == sent
    assert {"malformed: truncated", "malformed: payload-proto", "malformed: option-length"} <= set(lma.refused)

    endpoints[Role.MAG].send(REQUEST, LMA)
    assert drained(lma) == [(REQUEST, MAG)]


def test_truncated_messages_are_counted(endpoints: dict[Role, Endpoint], send: Sender) -> None:
    whole = build(REQUEST, MAG, LMA)
    for length in range(6, len(whole)):
        data = bytearray(whole[:length])
        data[4:6] = b"\0\0"
        data[4:6] = struct.pack("!H", checksum(MAG, LMA, MOBILITY_HEADER, bytes(data)))
        send(bytes(data), MAG, LMA)
    assert refused(endpoints[Role.LMA], {"malformed: truncated": 2, "malformed: length": len(whole) - 8})


def test_a_stranger_is_not_even_parsed(endpoints: dict[Role, Endpoint], send: Sender) -> None:
    send(build(TunnelRequest(STRANGER), STRANGER, LMA), STRANGER, LMA)
    assert refused(endpoints[Role.LMA], {"unknown source": 1})


def test_what_a_node_may_not_say_is_refused(endpoints: dict[Role, Endpoint]) -> None:
    endpoints[Role.MAG].send(LoadInfo(0.5, 1, (MagLoad(MAG, 1),)), RMS)
    endpoints[Role.LMA].send(LoadAdjust(LMA, PROFILE.lmas[1].address), MAG)
    for role, kind in ((Role.RMS, "LoadInfo"), (Role.MAG, "LoadAdjust")):
        assert refused(endpoints[role], {f"not permitted: {kind}": 1})


def test_sending_into_the_void_is_counted(endpoints: dict[Role, Endpoint]) -> None:
    mag = endpoints[Role.MAG]
    mag.send(REQUEST, PROFILE.lmas[1].address)  # which this namespace has not
    assert mag.refused == {"send: ENETUNREACH": 1}


def test_an_absent_peer_spoils_nothing(endpoints: dict[Role, Endpoint]) -> None:
    """A port unreachable, which ICMPv6 reports later, must not appear as an error of the next call."""
    endpoints[Role.LMA].close()
    mag = endpoints[Role.MAG]
    for _ in range(3):
        mag.send(REQUEST, LMA)
        time.sleep(0.1)  # that nothing comes cannot be waited for
        assert list(mag.drain()) == []
    assert not mag.refused


def changed(profile: Profile, **signalling: object) -> Profile:
    return profile.model_copy(update={"signalling": profile.signalling.model_copy(update=signalling)})


@pytest.fixture
def lma(profile: Profile) -> Iterator[Callable[..., Endpoint]]:
    """Open an LMA's endpoint with other settings of ``signalling``; it is closed in the end."""
    opened: list[Endpoint] = []

    def open_it(**signalling: object) -> Endpoint:
        opened.append(Endpoint(changed(profile, **signalling), Role.LMA, LMA, Counter()))
        return opened[-1]

    yield open_it
    for endpoint in opened:
        endpoint.close()


def test_drops_of_the_kernel_are_visible(lma: Callable[..., Endpoint], send: Sender) -> None:
    endpoint = lma(rate_limit=1000000)
    data = build(REQUEST, MAG, LMA)
    for _ in range(12000):
        send(data, MAG, LMA)
    received = sum(1 for _ in range(200) for _ in endpoint.drain())
    assert endpoint.refused["dropped by the kernel"] == 12000 - received > 0
    assert received > 2000


def test_datagrams_come_whole_and_in_order_however_many_are_sent(namespace: str) -> None:
    """What is too long for a Mobility Header is still too long; what cannot be sent does not keep the others back."""
    sender, receiver = open_udp(MAG, 0), open_udp(LMA, 5436)
    to = socket_address(LMA, 5436)
    data = [bytes([number % 256]) * (number % 1500) for number in range(3 * MOST)]
    data[7], data[MOST + 1], data[-1] = bytes(70_000), bytes(2048), bytes(9000)
    failed = sender.send(data, [to] * len(data))
    assert [(place, error.errno) for place, error in failed] == [(7, errno.EMSGSIZE)]
    del data[7]
    received: list[tuple[bytes, bytes]] = []
    while some := receiver.receive(100):
        assert len(some) <= 100
        received += some
    assert {source for source, _ in received} == {MAG.packed}
    assert [octets for _, octets in received[:-1]] == data[:-1]
    assert len(received[-1][1]) > 2048
    sender.close()
    receiver.close()


def test_a_peer_that_floods_does_not_starve_the_others(lma: Callable[..., Endpoint], send: Sender) -> None:
    endpoint = lma(rate_limit=20)
    flood, other = build(REQUEST, MAG, LMA), build(TunnelRequest(MAG2), MAG2, LMA)
    for _ in range(300):
        send(flood, MAG, LMA)
    send(other, MAG2, LMA)
    passed = [source for _ in range(20) for _, source in endpoint.drain()]
    assert passed[-1] == MAG2 and len(passed) < 301
    assert endpoint.refused == {"rate limit: mag": 301 - len(passed)}
    # As soon as it has a token again.
    eventually(lambda: send(flood, MAG, LMA) or list(endpoint.drain()), "a message of the peer that floods")


def test_an_unknown_type_is_answered_by_a_binding_error_at_a_limited_rate(
    endpoints: dict[Role, Endpoint], send: Sender
) -> None:
    unknown = bytearray(build(REQUEST, MAG, LMA))
    unknown[2] = 99
    unknown[4:6] = bytes(2)
    unknown[4:6] = struct.pack("!H", checksum(MAG, LMA, MOBILITY_HEADER, bytes(unknown)))
    for _ in range(50):
        send(bytes(unknown), MAG, LMA)
    lma, mag = endpoints[Role.LMA], endpoints[Role.MAG]
    assert refused(lma, {"malformed: unknown-type": 50})
    assert drained(mag) == [(BindingError(BindingErrorStatus.UNRECOGNIZED_MH_TYPE), LMA)]
    # A Binding Error is not answered, whatever is in it; nor is a stranger, nor an unknown inner type.
    mag.send(BindingError(77), LMA)
    assert drained(lma) == [(BindingError(77), MAG)]
    inner = bytearray(build(REQUEST, MAG, LMA))
    inner[6] = 99
    inner[4:6] = bytes(2)
    inner[4:6] = struct.pack("!H", checksum(MAG, LMA, MOBILITY_HEADER, bytes(inner)))
    send(bytes(inner), MAG, LMA)
    send(bytes(unknown), STRANGER, LMA)
    eventually(lambda: list(lma.drain()) or sum(lma.refused.values()) == 52, "the last datagram")
    assert sum(lma.refused.values()) == 52
    time.sleep(0.1)  # that nothing comes cannot be waited for
    assert list(mag.drain()) == []


def test_a_raw_and_a_udp_mag_share_an_lma(namespace: str) -> None:
    """Each speaks and hears its own transport only, as a third party's might."""
    mags = tuple(
        mag.model_copy(update={"transport": transport})
        for mag, transport in zip(PROFILE.mags, ("raw", "udp"), strict=True)
    )
    profile = PROFILE.model_copy(update={"mags": mags})
    port = profile.signalling.udp_port
    endpoint = Endpoint(profile, Role.LMA, LMA, Counter())
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, MOBILITY_HEADER)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        raw.bind((str(MAG), 0))
        udp.bind((str(MAG2), port))
        raw.sendto(build(REQUEST, MAG, LMA), (str(LMA), 0))
        udp.sendto(build(TunnelRequest(MAG2), MAG2, LMA), (str(LMA), port))
        got = drained(endpoint)
        while len(got) < 2:
            got += drained(endpoint)
        assert sorted(got, key=str) == [(REQUEST, MAG), (TunnelRequest(MAG2), MAG2)]
        for peer, mag in ((raw, MAG), (udp, MAG2)):
            endpoint.send(TunnelAck(LMA), mag)
            peer.settimeout(PATIENCE)
            assert peer.recv(100) == build(TunnelAck(LMA), LMA, mag)
        assert not endpoint.refused
    finally:
        for opened in (raw, udp, endpoint):
            opened.close()


UNPRIVILEGED = """
import select
import sys
from collections import Counter
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import TunnelAck

profile = load_profile("two-lma")
changes = {"signalling": profile.signalling.model_copy(update={"transport": sys.argv[1]})}
lma = profile.lmas[0].address
try:
    endpoint = Endpoint(profile.model_copy(update=changes), Role.LMA, lma, Counter())
except PermissionError:
    sys.exit("no permission")
print("open", flush=True)
select.select(endpoint.descriptors, [], [])
((message, source),) = endpoint.drain()
endpoint.send(TunnelAck(lma), source)
"""


def unprivileged(transport: str) -> subprocess.Popen[str]:
    """An LMA whose process may not open raw sockets."""
    argv = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", sys.executable, "-c", UNPRIVILEGED, transport]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)


def test_udp_works_without_the_privilege_for_raw_sockets(namespace: str) -> None:
    profile = changed(PROFILE, transport="udp")
    mag = Endpoint(profile, Role.MAG, MAG, Counter())
    with unprivileged("udp") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        mag.send(REQUEST, LMA)
        assert drained(mag) == [(TunnelAck(LMA), LMA)]
        assert process.wait(PATIENCE) == 0
    mag.close()
    with unprivileged("raw") as process:
        assert process.communicate(timeout=PATIENCE)[1].strip() == "no permission"


@pytest.fixture
def keys(profile: Profile, tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(0o600)
    path.write_text("\n".join(generate(profile)))
    return path


def test_with_keys_only_authentic_messages_pass_and_each_once(
    profile: Profile, keys: Path, lma: Callable[..., Endpoint], send: Sender, transport: Transport
) -> None:
    endpoint = lma(keys=keys)
    mag = Endpoint(changed(profile, keys=keys), Role.MAG, MAG, Counter())
    recorder = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD))
    recorder.bind(("lo", 0))
    recorder.settimeout(PATIENCE)
    try:
        mag.send(REQUEST, LMA)
        mag.send(REQUEST, LMA)  # repeated by its sender: no replay
        assert drained(endpoint) == [(REQUEST, MAG), (REQUEST, MAG)]
        recorded = recorder.recv(2000)[40 + (8 if transport == "udp" else 0) :]
        send(recorded, MAG, LMA)
        send(build(REQUEST, MAG, LMA), MAG, LMA)
        send(recorded[:-1] + bytes((recorded[-1] ^ 1,)), MAG, LMA)
        reasons = {"authentication: replayed": 1, "authentication: missing": 1}
        wrong = "authentication: wrong" if transport == "raw" else "malformed: checksum"  # the kernel fills it in
        assert refused(endpoint, {**reasons, wrong: 1})
        endpoint.send(TunnelAck(LMA), MAG)
        assert drained(mag) == [(TunnelAck(LMA), LMA)]
        # What was received may be sent back as it is, which is how changes are acknowledged: it is protected anew.
        mag.send(REQUEST, LMA)
        ((octets, peer),) = list(endpoint.datagrams())
        assert (octets, peer.address) == (build(REQUEST, MAG, LMA), MAG)
        endpoint.send_octets(octets, peer)
        assert [(octets, peer.address) for octets, peer in mag.datagrams()] == [(octets, LMA)]
    finally:
        recorder.close()
        mag.close()


def test_a_missing_key_is_told_before_anything_is_opened(profile: Profile, keys: Path) -> None:
    keys.write_text("\n".join(line for line in generate(profile) if "lma1" not in line))
    with pytest.raises(KeyFileError, match="there is no key of"):
        Endpoint(changed(profile, keys=keys), Role.LMA, LMA, Counter())


def test_the_address_may_come_later(profile: Profile, send: Sender) -> None:
    """An agent may be started before the switch has its address."""
    subprocess.run(["ip", "-n", NAMESPACE, "address", "del", f"{LMA}/128", "dev", "lo"], check=True)
    endpoint = Endpoint(profile, Role.LMA, LMA, Counter())
    subprocess.run(["ip", "-n", NAMESPACE, "address", "add", f"{LMA}/128", "dev", "lo", "nodad"], check=True)
    send(build(REQUEST, MAG, LMA), MAG, LMA)
    assert drained(endpoint) == [(REQUEST, MAG)]
    endpoint.close()


GREEN = """
import eventlet
eventlet.monkey_patch()
from collections import Counter
from ipaddress import IPv6Address
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.controller.ryu.readable import Readable
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import TunnelRequest, TunnelAck

profile = load_profile("two-lma")
MAG, LMA = profile.mags[0].address, profile.lmas[0].address
refused = Counter()
mag, lma = Endpoint(profile, Role.MAG, MAG, refused), Endpoint(profile, Role.LMA, LMA, refused)
got, ticks = [], []

def receive(endpoint, answer):
    readable = Readable(*endpoint.descriptors)
    while True:
        readable.wait()
        for message, source in endpoint.drain():
            if answer:
                endpoint.send(TunnelAck(LMA), source)
            else:
                got.append(message)

def tick():
    while True:
        ticks.append(1)
        eventlet.sleep(0.01)

def ask():
    for _ in range(20):
        mag.send(TunnelRequest(MAG), LMA)
        eventlet.sleep(0.005)

for work in ((receive, lma, True), (receive, mag, False), (tick,)):
    eventlet.spawn(*work)
askers = [eventlet.spawn(ask) for _ in range(20)]
for asker in askers:
    asker.wait()
with eventlet.Timeout(60):
    while len(got) < 400:
        eventlet.sleep(0.01)
print(len(got), len(ticks) > 1, dict(refused))
"""


def test_green_threads_share_an_endpoint(namespace: str) -> None:
    """As in the RMS: one receives, many send at the same time, and the others go on."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", GREEN],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout.strip() == "400 True {}", done.stderr
