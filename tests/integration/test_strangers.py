"""A real ``ryu-manager`` under strangers at its ports: few descriptors, crowds, and octets that hung it once."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.http.client import ClientError, fetch, rms_of
from tests.fakes.openflow_switch import OpenFlowSwitch
from tests.unit.ryu import openflow_octets as openflow
from tests.waiting import PATIENCE, eventually

#: Open files that the RMS may have: fewer than come.
FILES = 90
HANGING = (
    bytes.fromhex("04000010000000010001000000000000"),
    openflow.message(openflow.FLOW_MOD, bytes(40) + b"\0\1\0\4\0\0\0\0" + b"\0\4" + bytes(6)),
    *(openflow.message(kind, bytes(200)) for kind in range(30)),
    *(openflow.hello() + openflow.multipart(kind, bytes(200)) for kind in range(14)),
    *(openflow.hello() + openflow.features(0x21) + openflow.multipart(kind, bytes(200)) for kind in range(14)),
    b"\xff" * 2000,
)


class StartedRms:
    """An RMS and what it says."""

    def __init__(self, path: Path, log: Path) -> None:
        self.profile: Profile = load_profile(str(path))
        self._log = log
        self._environment = os.environ | {"PMIPLS_PROFILE": str(path)}
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).with_name("ryu-manager")), "ryu_pmipls.rms"]
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))  # noqa: E731
        with self._log.open("wb") as log:
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log, preexec_fn=limit)

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def health(self) -> Any:
        """The health document; None while there is no answer."""
        assert self.process.poll() is None, self.said()
        with suppress(ClientError):
            return fetch(rms_of(self.profile), "health")

    def connect(self, port: int | None = None) -> socket.socket:
        host = "127.0.0.1" if port == self.profile.rms.rest.port else "::1"
        return socket.create_connection((host, port or self.profile.rms.openflow.port), PATIENCE)


@contextmanager
def started(path: Path, directory: Path) -> Iterator[StartedRms]:
    rms = StartedRms(path, directory / "log")
    try:
        yield rms
    finally:
        rms.process.send_signal(signal.SIGKILL)
        rms.process.wait(PATIENCE)


@pytest.fixture
def path(derive_profile: Callable[..., Path], tmp_path: Path) -> Path:
    """A profile whose RMS is on loopback."""
    changes = {"rms": {"state_directory": str(tmp_path / "state")}, "signalling": {"transport": "udp"}}
    path = derive_profile("pst", 47, changes)
    path.write_text(path.read_text().replace("fd00:5247::99", "::1").replace("fd00:5247::", "::"))
    return path


@pytest.fixture
def rms(path: Path, tmp_path: Path) -> Iterator[StartedRms]:
    with started(path, tmp_path) as made:
        eventually(made.health, "an answer")
        yield made


@pytest.fixture
def switches(rms: StartedRms) -> Iterator[list[OpenFlowSwitch]]:
    """The switches of all nodes, connected; they connect again when they are disconnected."""
    nodes = (*rms.profile.lmas, *rms.profile.mags)
    made = [OpenFlowSwitch(node.datapath_id, {"p1": 1}) for node in nodes]
    over = threading.Event()

    def keep_connected(switch: OpenFlowSwitch) -> None:
        while not over.wait(0.1):
            with suppress(OSError):
                connection = rms.connect()
                connection.settimeout(None)
                switch.serve(connection)

    threads = [threading.Thread(target=keep_connected, args=(switch,), daemon=True) for switch in made]
    for thread in threads:
        thread.start()
    eventually(lambda: all_ready(rms), "ready switches")
    yield made
    over.set()
    for switch in made:
        switch.disconnect()


def all_ready(rms: StartedRms) -> bool:
    health = rms.health()
    return health is not None and {*health["switches"].values()} == {"ready"}


def test_octets_that_hung_it_end_their_connections_only(rms: StartedRms, switches: list[OpenFlowSwitch]) -> None:
    for octets in HANGING:
        with rms.connect() as stranger, suppress(ConnectionError):
            stranger.sendall(octets)
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(2**16):
                pass
        assert rms.health() is not None
    assert all_ready(rms)
    refused = rms.health()["refused"]
    assert refused["openflow: unexpected message"] >= 30 and refused["openflow: malformed message"] >= 2
    assert rms.said().count("is ended") < 30
    assert "Traceback" not in rms.said()


def test_crowds_at_both_ports_do_not_end_it(rms: StartedRms, switches: list[OpenFlowSwitch]) -> None:
    ports = rms.profile.rms.openflow.port, rms.profile.rms.rest.port
    with ExitStack() as crowd:
        for number in range(4 * FILES):
            with suppress(OSError):
                stranger = crowd.enter_context(rms.connect(ports[number % 2]))
                stranger.sendall(openflow.hello() + openflow.message(openflow.ECHO_REQUEST))
        eventually(lambda: "no connection can be accepted" in rms.said(), "a shortage")
        assert rms.process.poll() is None
    eventually(lambda: all_ready(rms), "an answer and all switches")


def test_a_port_that_is_taken_ends_it_with_status_1_and_the_reason(path: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("::", load_profile(str(path)).rms.openflow.port))
        taken.listen()
        with started(path, tmp_path) as rms:
            assert rms.process.wait(PATIENCE) == 1
            assert "OpenFlow cannot be served" in rms.said()
