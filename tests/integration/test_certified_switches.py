"""Open vSwitch over TLS with certificates of a domain's authority, towards a server that demands one."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from pyroute2 import netns

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.pki.authority import Authority, establish
from ryu_pmipls.pki.certificates import serial_text
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names
from tests.waiting import PATIENCE, eventually

NAMESPACE = "pcert"
PROFILE = load_profile("two-lma")
#: The beginning of an OpenFlow 1.3 HELLO.
HELLO = b"\x04\x00"


def authority(folder: Folder) -> Authority:
    now = datetime.now(timezone.utc)
    return Authority.open(folder, folder.authority_key, PROFILE.domain, node_names(PROFILE), now)


def established(path: Path) -> Folder:
    folder = Folder(path)
    establish(folder, folder.authority_key, PROFILE.domain, datetime.now(timezone.utc) - timedelta(days=1))
    authority(folder).issue("rms")
    return folder


class Server:
    """A controller that does TLS 1.3 and reads one message, with the certificate of ``rms`` in a folder."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.target = f"ssl:[{PROFILE.rms.address}]:{listener.getsockname()[1]}"
        self.folder: Folder | None = None
        self.met: list[
            tuple[tuple[str, ...], str, str]
        ] = []  # the names of a client, its serial number, version of TLS
        self.refused: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def forget(self) -> None:
        self.met, self.refused = [], []

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                connection.settimeout(PATIENCE)
                try:
                    self._meet(connection)
                except (ssl.SSLError, ConnectionError, TimeoutError) as error:
                    self.refused.append(str(error))
                finally:
                    connection.close()

    def _meet(self, connection: socket.socket) -> None:
        folder = self.folder
        if folder is None:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(folder.certificate("rms"), folder.key("rms"))
        context.load_verify_locations(folder.authority)
        context.load_verify_locations(folder.revocations)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        with context.wrap_socket(connection, server_side=True) as wrapped:
            hello = wrapped.recv(len(HELLO))
            peer = wrapped.getpeercert()
            assert peer is not None
            names = tuple(name for _, name in peer["subjectAltName"])  # type: ignore[misc]
            if hello == HELLO:
                self.met.append((names, str(peer["serialNumber"]).lower(), str(wrapped.version())))


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVSwitch]:
    """An Open vSwitch with a bridge, in a namespace that has the address of the RMS."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True, timeout=PATIENCE)
    for words in ("link set lo up", f"address add {PROFILE.rms.address}/128 dev lo"):
        subprocess.run(["ip", "-n", NAMESPACE, *words.split()], check=True, timeout=PATIENCE)
    switch = OpenVSwitch(tmp_path_factory.mktemp("ovs"), NAMESPACE)
    try:
        switch.start()
        switch.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "protocols=OpenFlow13")
        yield switch
    finally:
        switch.stop()
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def server(ovs: OpenVSwitch) -> Iterator[Server]:
    made: list[socket.socket] = []

    def listen() -> None:  # a namespace belongs to a thread
        netns.setns(NAMESPACE, flags=0)
        made.append(socket.create_server((str(PROFILE.rms.address), 0), family=socket.AF_INET6))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    with made[0] as listener:
        yield Server(listener)
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def folder(tmp_path: Path, ovs: OpenVSwitch, server: Server) -> Folder:
    """The certificates of the domain, which the switch of lma1 and the server use from now on."""
    folder = established(tmp_path / "pki")
    authority(folder).issue("lma1")
    server.folder = folder
    connect(ovs, server, folder, folder)
    eventually(lambda: server.met)
    return folder


def connect(ovs: OpenVSwitch, server: Server, own: Folder, trusted: Folder) -> None:
    """Connect the switch anew, with the certificate of lma1 in a folder, and trust in the authority of another one."""
    ovs.vsctl("del-controller", "br0")
    server.forget()
    ovs.vsctl("set-ssl", str(own.key("lma1")), str(own.certificate("lma1")), str(trusted.authority))
    ovs.vsctl("set-controller", "br0", server.target)


def test_a_switch_connects_with_its_certificate_and_is_known_by_its_names(server: Server, folder: Folder) -> None:
    names, serial, version = server.met[-1]
    assert names == ("lma1.two-lma", "FD00:5213:0:0:0:0:0:11")
    assert version == "TLSv1.3"
    (record,) = [
        path for path in folder.issued.iterdir() if path.read_bytes() == folder.certificate("lma1").read_bytes()
    ]
    assert int(serial, 16) == int(record.stem, 16)


def test_a_renewed_certificate_is_in_use_without_a_restart(server: Server, folder: Folder) -> None:
    renewed = serial_text(authority(folder).renew("lma1").serial_number)
    eventually(lambda: int(server.met[-1][1], 16) == int(renewed, 16), "a connection with the renewed certificate")


def test_a_revoked_certificate_is_refused(ovs: OpenVSwitch, server: Server, folder: Folder) -> None:
    authority(folder).revoke("lma1")
    connect(ovs, server, folder, folder)
    eventually(lambda: any("certificate revoked" in each for each in server.refused))
    assert server.met == []


def test_a_certificate_of_another_authority_is_refused(
    ovs: OpenVSwitch, server: Server, folder: Folder, tmp_path: Path
) -> None:
    stranger = established(tmp_path / "stranger")
    authority(stranger).issue("lma1")
    connect(ovs, server, stranger, folder)
    eventually(lambda: any("certificate verify failed" in each for each in server.refused))
    assert server.met == []


def test_a_switch_speaks_to_no_server_of_another_authority(
    ovs: OpenVSwitch, server: Server, folder: Folder, tmp_path: Path
) -> None:
    connect(ovs, server, folder, established(tmp_path / "stranger"))
    eventually(lambda: any("unknown ca" in each for each in server.refused))
    assert server.met == []
