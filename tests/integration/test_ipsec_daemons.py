"""Two nodes with strongSwan, as set-up makes them, in network namespaces of their own and without Open vSwitch.

Needs root, nftables and strongSwan.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ovs_setup.ipsec.connections import configuration
from ovs_setup.ipsec.files import DaemonFiles
from ovs_setup.ipsec.set_up import load, set_up, tear_down
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import Certificates, Profile, load_profile
from ryu_pmipls.ipsec.charon import Charon
from ryu_pmipls.ipsec.clear_filter import TABLE, Esp, dropped
from ryu_pmipls.ipsec.errors import IpsecError
from ryu_pmipls.ipsec.pairs import associations
from ryu_pmipls.lab.lab_certificates import make_certificates
from ryu_pmipls.pki.authority import Authority, establish
from ryu_pmipls.pki.certificates import Issuer, Period, node_certificate
from ryu_pmipls.pki.files import locked, read_key, write_certificate
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names
from ryu_pmipls.signalling.keys import generate
from tests.waiting import eventually

if shutil.which("charon-systemd") is None or shutil.which("swanctl") is None:
    pytest.skip("strongSwan is not installed", allow_module_level=True)

PROFILE = load_profile("two-lma")
NODES = {"lma1": "fd00:5213::11", "mag1": "fd00:5213::21"}
PEERS = {"lma1": "mag1", "mag1": "lma1"}
#: A PBU, as far as tshark looks.
HEADER = "3b010500" + "00000001" + "82000384" + "01020000"
SEND = """
import socket, sys, time
own, peer, number, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 135)
opened.bind((own, 0))
begin, failed = time.monotonic(), 0
for each in range(number):
    try:
        opened.sendto(bytes.fromhex(sys.argv[5]), (peer, 0))
    except OSError:
        failed += 1
    time.sleep(max(0.0, begin + (each + 1) / rate - time.monotonic()))
print(failed)
"""
RECEIVE = """
import select, socket, sys
opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 135)
opened.bind((sys.argv[1], 0))
print("listening", flush=True)
count = 0
while count < int(sys.argv[2]) and select.select([opened], [], [], 3.0)[0]:
    opened.recv(2048)
    count += 1
print(count)
"""


class Pair:
    """An LMA and a MAG, joined by a veth pair; strongSwan runs on both."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = Folder(directory / "pki")
        signalling = PROFILE.signalling.model_copy(update={"protection": ("ipsec",)})
        certificates = Certificates(folder=self.folder.path)
        self.profile = PROFILE.model_copy(update={"signalling": signalling, "certificates": certificates})
        self.files = {node: DaemonFiles.private(directory / node) for node in NODES}
        self.places = {node: OpenVSwitch(directory / node, f"pip-{node}") for node in NODES}
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def protect(self, node: str, profile: Profile | None = None) -> None:
        (self.directory / node).mkdir(exist_ok=True)
        set_up(self.places[node], profile or self.profile, node, self.files[node], private=True)

    def start(self, node: str) -> None:
        files = self.files[node]
        environment = os.environ | {"STRONGSWAN_CONF": str(files.daemon), "SWANCTL_DIR": str(files.swanctl)}
        argv = ["nsenter", f"--net=/run/netns/pip-{node}", "--", "charon-systemd"]
        with self.log(node).open("ab") as log:
            self.daemons[node] = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)

    def kill(self, node: str) -> None:
        self.daemons[node].kill()
        self.daemons[node].wait()

    def log(self, node: str) -> Path:
        return self.directory / f"{node}.log"

    def swanctl(self, node: str, *words: str) -> str:
        argv = ["swanctl", *words, "--uri", f"unix://{self.files[node].socket}"]
        environment = os.environ | {"SWANCTL_DIR": str(self.files[node].swanctl)}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False).stdout

    def up(self) -> bool:
        return all(self.has_association(node) for node in NODES)

    def has_association(self, node: str) -> bool:
        try:
            found = Charon(self.files[node].socket).associations()
        except IpsecError:
            return False
        return any(each.connection == PEERS[node] and each.installed for each in found)

    def run(self, node: str, program: str, *words: str) -> subprocess.Popen[str]:
        argv = ["nsenter", f"--net=/run/netns/pip-{node}", "python3", "-c", program, *words]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def exchange(self, number: int = 1, rate: float = 100.0, meanwhile: Callable[[], None] = lambda: None) -> list[int]:
        """Mobility Headers from mag1 that could not be sent, and those that lma1 has received."""
        receiver = self.run("lma1", RECEIVE, NODES["lma1"], str(number))
        assert receiver.stdout is not None
        receiver.stdout.readline()
        sender = self.run("mag1", SEND, NODES["mag1"], NODES["lma1"], str(number), str(rate), HEADER)
        meanwhile()
        return [int(process.communicate(timeout=120)[0]) for process in (sender, receiver)]

    def dropped(self, node: str) -> dict[str, int]:
        return dropped(self.places[node].execute("nft", "-n", "list", "table", "ip6", TABLE))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("ipsec"))
    make_certificates(made.profile, made.directory)
    ip = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True)  # noqa: E731
    for node in NODES:
        ip("netns", "add", f"pip-{node}")
    try:
        ip("link", "add", "u0", "netns", "pip-lma1", "type", "veth", "peer", "name", "u0", "netns", "pip-mag1")
        for node, address in NODES.items():
            for device in ("lo", "u0"):
                ip("-n", f"pip-{node}", "link", "set", device, "up")
            ip("-n", f"pip-{node}", "address", "add", f"{address}/64", "dev", "u0", "nodad")
        for node in NODES:
            made.protect(node)
            made.start(node)
        eventually(made.up, "the association")
        yield made
    finally:
        for daemon in made.daemons.values():
            daemon.kill()
            daemon.wait()
        for node in NODES:
            ip("netns", "delete", f"pip-{node}")


def test_signalling_passes_by_an_association(pair: Pair) -> None:
    assert pair.exchange(5) == [0, 5]
    (found,) = [each for each in Charon(pair.files["mag1"].socket).associations() if each.connection == "lma1"][:1]
    assert found.state == "ESTABLISHED"
    assert pair.dropped("lma1")["received"] == pair.dropped("mag1")["sent"] == 0


def test_what_comes_in_the_clear_is_dropped_and_counted(pair: Pair) -> None:
    before = pair.dropped("lma1")["received"]
    pair.places["mag1"].execute("nft", "flush", "chain", "ip6", TABLE, "output")
    pair.places["mag1"].execute("ip", "-6", "rule", "add", "pref", "1", "from", NODES["mag1"], "lookup", "main")
    try:
        assert pair.exchange(3) == [0, 0]
    finally:
        pair.places["mag1"].execute("ip", "-6", "rule", "delete", "pref", "1")
        pair.protect("mag1")
    assert pair.dropped("lma1")["received"] == before + 3
    assert pair.exchange(3) == [0, 3]


@pytest.mark.parametrize("node", [*NODES])
def test_without_strongswan_nothing_arrives_and_it_is_back_when_that_is(pair: Pair, node: str) -> None:
    pair.kill(node)
    assert pair.exchange(2)[1] == 0
    pair.start(node)
    eventually(pair.up, "the association")
    assert eventually(lambda: pair.exchange(2) == [0, 2], "signalling")


def test_rekeying_under_load_loses_little(pair: Pair) -> None:
    """In user space; ``-s`` shows how much. Whoever signals repeats what is not answered."""
    rekeyed = []

    def rekey() -> None:
        for turn in range(5):
            for node in NODES:
                time.sleep(0.8)
                kind = "--ike" if turn == 2 else "--child"
                rekeyed.append("rekey completed" in pair.swanctl(node, "--rekey", kind, PEERS[node]))

    failed, received = pair.exchange(2000, 200.0, rekey)
    print(f"rekeyed {sum(rekeyed)} times: of 2000 messages {failed} not sent, {2000 - failed - received} lost")
    assert all(rekeyed) and received > 1800
    assert pair.exchange(5) == [0, 5]


def test_on_the_wire_is_nothing_in_the_clear_and_tshark_decrypts_it_with_the_keys(pair: Pair) -> None:
    """The keys are those that strongSwan logs when it is told to."""
    daemon = pair.files["mag1"].daemon
    daemon.write_text(daemon.read_text().replace("default = 1", "default = 1\n            chd = 4"))
    pair.swanctl("mag1", "--reload-settings")
    assert "rekey completed" in pair.swanctl("mag1", "--rekey", "--child", "lma1")
    keys = eventually(lambda: esp_keys(pair.log("mag1").read_text(errors="replace")), "keys of an association")
    capture = pair.directory / "wire.pcap"
    argv = ["nsenter", "--net=/run/netns/pip-lma1", "tcpdump", "-Z", "root", "-U", "-n", "-i", "u0", "-w", str(capture)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as tcpdump:
        assert tcpdump.stderr is not None and "listening" in tcpdump.stderr.readline()
        assert pair.exchange(5) == [0, 5]
        eventually(lambda: len(frames_in(capture, "-Y", "esp")) >= 5, "captured frames")
        tcpdump.terminate()
    assert frames_in(capture, "-Y", "mip6.mhtype") == []
    options = ["-o", "esp.enable_encryption_decode:TRUE"]
    for spi, key in keys.items():
        words = ("IPv6", "*", "*", spi, "AES-GCM with 16 octet ICV [RFC4106]", key, "NULL", "")
        options += ["-o", "uat:esp_sa:" + ",".join(f'"{word}"' for word in words)]
    fields = ["-Y", "mip6.mhtype", "-T", "fields", "-e", "ipv6.src", "-e", "mip6.mhtype", "-e", "_ws.malformed"]
    seen = [line.split("\t") for line in frames_in(capture, *options, *fields)]
    assert [line[1:] for line in seen] == [["5", ""]] * 5
    assert {line[0].split(",")[-1] for line in seen} == {NODES["mag1"]}


def esp_keys(log: str) -> dict[str, str]:
    """Security parameter index -> key of the newest associations in a log with all that charon says of children."""
    found = {}
    keys: dict[str, str] = {}
    for line in log.splitlines():
        named = re.search(r"\[CHD\]\s+encryption (initiator|responder) key => \d+ bytes", line)
        octets = re.search(r"\[CHD\]\s+\d+: ((?:[0-9A-F]{2} )+)", line)
        if named:
            current = named[1]
            keys[current] = ""
        elif octets and keys:
            keys[current] += octets[1].replace(" ", "")
        spis = re.search(r"CHILD_SA \S+ established with SPIs (\w+)_i (\w+)_o", line)
        if spis and len(keys) == 2:
            found |= {f"0x{spis[1]}": f"0x{keys['responder']}", f"0x{spis[2]}": f"0x{keys['initiator']}"}
            keys = {}
    return found


def frames_in(capture: Path, *words: str) -> list[str]:
    """What tshark prints of the frames of a capture."""
    argv = ["tshark", "-n", "-r", str(capture), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout.splitlines()


# Identities that must be refused.


def authority(pair: Pair, folder: Folder) -> Authority:
    now = datetime.now(timezone.utc)
    return Authority.open(folder, folder.authority_key, PROFILE.domain, node_names(PROFILE), now)


def another_authority(pair: Pair) -> None:
    spare = Folder(pair.directory / "spare")
    establish(spare, spare.authority_key, PROFILE.domain, datetime.now(timezone.utc))
    with locked(spare):
        authority(pair, spare).issue("mag1")
    bring(spare, pair.folder, "mag1")


def another_node(pair: Pair) -> None:
    bring(pair.folder, pair.folder, "mag2")


def bring(source: Folder, folder: Folder, node: str) -> None:
    """Give mag1 the certificate and the key of a node."""
    for file in (Folder.certificate, Folder.key):
        file(folder, "mag1").write_bytes(file(source, node).read_bytes())


def expired(pair: Pair) -> None:
    with locked(pair.folder):
        ours = authority(pair, pair.folder)
        key = read_key(pair.folder.key("mag1")).public_key()
        trusted = ours.trust.authority
        period = Period(trusted.not_valid_before_utc, datetime.now(timezone.utc) - timedelta(minutes=1))
        issuer = Issuer(trusted, read_key(pair.folder.authority_key))
        certificate = node_certificate("mag1", ours.names["mag1"], key, 77, period, issuer)
        write_certificate(pair.folder.certificate("mag1"), certificate)


def revoked(pair: Pair) -> None:
    with locked(pair.folder):
        authority(pair, pair.folder).revoke("mag1")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (another_authority, "no issuer certificate found"),
        (another_node, "no trusted .* public key found for 'mag1.two-lma'|no matching peer config"),
        (expired, "subject certificate invalid"),
        (revoked, "certificate was revoked"),
    ],
)
def test_a_wrong_identity_is_refused_with_a_reason(pair: Pair, spoil: Callable[[Pair], None], reason: str) -> None:
    begin = len(pair.log("lma1").read_text(errors="replace"))
    pair.kill("mag1")
    pair.swanctl("lma1", "--terminate", "--ike", "mag1", "--force")
    spoil(pair)
    reload(pair)
    pair.start("mag1")

    def refused() -> bool:
        return re.search(reason, pair.log("lma1").read_text(errors="replace")[begin:]) is not None

    eventually(refused, reason)
    assert not pair.has_association("lma1")
    pair.kill("mag1")
    for file in (Folder.certificate, Folder.key):
        file(pair.folder, "mag1").unlink()
    with locked(pair.folder):
        authority(pair, pair.folder).issue("mag1")
    reload(pair)
    pair.start("mag1")
    eventually(pair.up, "the association")


def reload(pair: Pair) -> None:
    """Set up both nodes again, and have lma1's daemon read what is new."""
    for node in NODES:
        pair.protect(node)
    pair.swanctl("lma1", "--flush-certs")
    load(pair.places["lma1"], pair.files["lma1"])


def test_pre_shared_keys_will_do(pair: Pair, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("\n".join(generate(PROFILE)), encoding="utf-8")
    keys.chmod(0o600)
    signalling = pair.profile.signalling.model_copy(update={"ipsec_keys": keys})
    profile = pair.profile.model_copy(update={"signalling": signalling})
    for node in NODES:
        pair.kill(node)
        pair.protect(node, profile)
    for node in NODES:
        pair.start(node)
    eventually(pair.up, "the association")
    assert "with pre-shared key successful" in pair.log("lma1").read_text(errors="replace")
    assert pair.exchange(2) == [0, 2]


def test_strongswan_takes_the_connections_for_the_kernel(pair: Pair) -> None:
    text = configuration(associations(PROFILE, "lma1"), Esp.KERNEL, None)
    pair.files["lma1"].connections.write_text(text, encoding="utf-8")
    assert "successfully loaded 4 connections, 0 unloaded" in pair.swanctl("lma1", "--load-conns")
    shown = pair.swanctl("lma1", "--list-conns")
    assert "TRANSPORT" in shown and "fd00:5213::21/128[mobility-header] fd00:5213::21/128[udp/5436]" in shown


def test_undoing_leaves_nothing(pair: Pair) -> None:
    for node in NODES:
        tear_down(pair.places[node], associations(PROFILE, node).own.address, pair.files[node])
        assert TABLE not in pair.places[node].execute("nft", "list", "tables")
        assert "5213:" not in pair.places[node].execute("ip", "-6", "rule", "show")
        left = [path.name for path in pair.files[node].swanctl.rglob("*") if path.is_file()]
        assert left == ["swanctl.conf"]
