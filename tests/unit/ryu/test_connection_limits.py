"""What a peer cannot do to the controller by an OpenFlow connection: messages, volumes and silences that end it."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import eventlet
import pytest

from ryu_pmipls.controller.ryu import connection as connection_module
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.ryu.admission import MAX_UNIDENTIFIED, Admission, host
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.ryu.connection_errors import DuplicateError, RefusalError
from ryu_pmipls.controller.ryu.listener import Listener
from tests.unit.ryu import openflow_octets as openflow
from tests.unit.ryu.connection_helpers import Switch, Told, application, until
from tests.waiting import PATIENCE

DATAPATH_ID = 0x21
MULTIPART_REQUEST, SET_ASYNC = 18, 28
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Refusals by reason, of a domain with one switch."""
    counted: Counter[str] = Counter()
    monkeypatch.setattr(Connection, "admission", Admission({DATAPATH_ID: IPv6Address("::1")}, counted))
    return counted


@pytest.fixture
def told() -> Iterator[Told]:
    with application() as made:
        yield made


@pytest.fixture
def switch(refused: Counter[str], told: Told) -> Iterator[Switch]:
    made = Switch(told)
    yield made
    made.socket.close()
    with eventlet.Timeout(PATIENCE):
        made.thread.wait()


def ended(switch: Switch) -> None:
    """The connection ends at once, from the controller's side."""
    with eventlet.Timeout(PATIENCE):
        while True:
            try:
                if not switch.socket.recv(2**16):
                    break
            except ConnectionResetError:
                break
    switch.joined()


def identify(switch: Switch) -> None:
    switch.socket.sendall(openflow.hello() + openflow.features(DATAPATH_ID))
    switch.socket.sendall(openflow.multipart(openflow.PORT_DESCRIPTION, openflow.port(1)))
    until(lambda: switch.connection.id == DATAPATH_ID and switch.connection.state == "main")


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (bytes.fromhex("04000010000000010001000000000000"), "malformed message"),
        (
            openflow.message(openflow.FLOW_MOD, bytes(40) + b"\0\1\0\4\0\0\0\0" + b"\0\4" + bytes(6)),
            "unexpected message",
        ),
        (openflow.message(openflow.PACKET_IN, bytes(40)), "unexpected message"),
        (
            openflow.multipart(openflow.GROUP_DESCRIPTION, openflow.group(openflow.bucket(length=0))),
            "unexpected message",
        ),
        (openflow.features(DATAPATH_ID), "unexpected message"),
        (openflow.message(openflow.ECHO_REQUEST, version=0x77), "unexpected message"),
        *((bytes([4, 2, 0, length, 0, 0, 0, 1]), "malformed message") for length in range(8)),
    ],
)
def test_what_a_stranger_must_not_say_ends_the_connection(
    refused: Counter[str], switch: Switch, octets: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    switch.socket.sendall(octets)
    ended(switch)
    assert refused == {f"openflow: {reason}": 1}
    (record,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert record.getMessage().startswith("the OpenFlow connection from 127.0.0.1 is ended: a")


@pytest.mark.parametrize(
    "octets",
    [
        openflow.message(openflow.PACKET_IN, bytes(40)),
        openflow.message(openflow.FLOW_MOD, bytes(56)),
        openflow.multipart(openflow.GROUP_DESCRIPTION, openflow.group(openflow.bucket(length=0))),
        openflow.multipart(openflow.FLOW, bytes(56)),
        openflow.features(0x22),
        openflow.hello(),
        openflow.message(openflow.BARRIER_REPLY, version=1),
        openflow.message(openflow.BARRIER_REPLY, bytes(8)),
    ],
)
def test_what_a_switch_must_not_say_ends_the_connection(refused: Counter[str], switch: Switch, octets: bytes) -> None:
    identify(switch)
    switch.socket.sendall(octets)
    ended(switch)
    assert refused.total() == 1


def test_a_switch_of_another_version_is_told_so(refused: Counter[str], switch: Switch) -> None:
    switch.socket.sendall(openflow.hello(version=1))
    assert switch.message() == (openflow.ERROR, 0, bytes(4))
    ended(switch)
    assert refused == {"openflow: unexpected message": 1}


def test_a_switch_is_asked_for_port_status_and_no_packets(switch: Switch) -> None:
    identify(switch)
    assert [switch.message()[0] for _ in range(3)] == [openflow.FEATURES_REQUEST, SET_ASYNC, MULTIPART_REQUEST]


def test_many_refusals_are_one_line(refused: Counter[str], told: Told, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        switch = Switch(told)
        switch.socket.sendall(openflow.message(openflow.PACKET_IN))
        with eventlet.Timeout(PATIENCE):
            switch.thread.wait()
    assert refused == {"openflow: unexpected message": 20}
    assert sum("is ended" in record.getMessage() for record in caplog.records) == 1


def test_an_unknown_datapath_id_ends_it(refused: Counter[str], switch: Switch) -> None:
    switch.socket.sendall(openflow.hello() + openflow.features(0x99))
    ended(switch)
    assert refused == {"openflow: unknown datapath id": 1}


def test_a_second_features_reply_does_not_change_the_datapath_id(refused: Counter[str], switch: Switch) -> None:
    switch.socket.sendall(openflow.hello() + openflow.features(DATAPATH_ID) + openflow.features(0x99))
    ended(switch)
    assert switch.connection.id == DATAPATH_ID


def test_a_connection_that_was_given_up_is_in_nobodys_way(refused: Counter[str], told: Told, switch: Switch) -> None:
    identify(switch)
    switch.connection.close()
    other = Switch(told)
    identify(other)
    assert switch.connection.socket.fileno() != -1, "the switch has not ended it yet"
    assert not refused
    other.socket.close()
    with eventlet.Timeout(PATIENCE):
        other.thread.wait()


def test_a_switch_that_says_nothing_is_cut_off_at_once(refused: Counter[str], switch: Switch) -> None:
    identify(switch)
    switch.connection.abort(DuplicateError("another one takes its place"))
    switch.joined()
    assert refused == {"openflow: datapath id in use": 1}


def test_ports_without_end_end_it(refused: Counter[str], switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_PORTS", 100)
    identify(switch)
    switch.socket.sendall(b"".join(openflow.port_status(number) for number in range(1, 110)))
    ended(switch)
    assert refused == {"openflow: too much": 1}


def test_replies_without_end_end_it(refused: Counter[str], switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_REPLIES", 2**20)
    identify(switch)
    part = openflow.multipart(openflow.PORT_DESCRIPTION, openflow.port(1) * 1000, openflow.MORE)
    with pytest.raises(OSError):
        for _ in range(100):
            switch.socket.sendall(part)
    ended(switch)
    assert refused == {"openflow: too much": 1}


def test_a_barrier_that_was_asked_for_begins_the_count_of_replies_anew(
    refused: Counter[str], switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_REPLIES", 100_000)
    identify(switch)
    switch.connection.barrier_replied = lambda xid: xid == 7
    whole = openflow.multipart(openflow.PORT_DESCRIPTION, openflow.port(1) * 1000)
    for _ in range(5):
        switch.socket.sendall(whole + openflow.message(openflow.BARRIER_REPLY, xid=7))
    until(lambda: not switch.connection._replies)
    switch.socket.sendall((whole + openflow.message(openflow.BARRIER_REPLY, xid=8)) * 2)
    ended(switch)
    assert refused == {"openflow: too much": 1}


def test_a_barrier_within_a_reply_ends_it(refused: Counter[str], switch: Switch) -> None:
    identify(switch)
    switch.connection.barrier_replied = lambda xid: True
    switch.socket.sendall(openflow.multipart(openflow.PORT_DESCRIPTION, openflow.port(1), openflow.MORE))
    switch.socket.sendall(openflow.message(openflow.BARRIER_REPLY))
    ended(switch)
    assert refused == {"openflow: malformed message": 1}


def test_who_does_not_read_echo_replies_holds_up_no_other_sender(switch: Switch) -> None:
    switch.connection.socket.setsockopt(1, 7, 4096)  # SO_SNDBUF
    sender = eventlet.spawn(switch.socket.sendall, openflow.message(openflow.ECHO_REQUEST, bytes(60_000)) * 40)
    for _ in range(50):
        hub.sleep(0)
    with eventlet.Timeout(1):
        assert switch.connection.send(openflow.message(openflow.ECHO_REQUEST))
    sender.kill()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("fe80::1%eth0", 1, 0, 2), IPv6Address("fe80::1")),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1"),
        (("192.0.2.1", 1), "192.0.2.1"),
        (("name", 1), None),
        ((), None),
    ],
)
def test_the_host_of_a_socket_address(address: Any, expected: Any) -> None:
    assert str(host(address)) == str(expected)


class Comer:
    """A connection that says nothing."""

    def __init__(self, address: str) -> None:
        self.address = (address, 1)
        self.claimed_id = -1
        self.ended = False

    def abort(self, why: RefusalError) -> None:
        self.ended = True

    def answers(self, within: float) -> bool:
        return False

    def objection(self) -> RefusalError | None:
        return None


def test_all_switches_of_a_large_domain_may_come_at_once_whoever_else_comes() -> None:
    nodes = {number: IPv6Address(number) for number in range(0x1001, 0x1101)}
    admission = Admission(nodes, Counter())
    switches, strangers = [Comer(str(address)) for address in nodes.values()], [Comer("::bad") for _ in range(300)]
    for number, comer in enumerate([*strangers[:100], *switches, *strangers[100:]]):
        admission.enter(comer)
        assert len(admission._unidentified) <= MAX_UNIDENTIFIED, number
    assert not any(comer.ended for comer in switches)
    assert [comer.ended for comer in strangers] == [True] * (300 - MAX_UNIDENTIFIED) + [False] * MAX_UNIDENTIFIED
    again = [Comer(str(nodes[0x1001])) for _ in range(MAX_UNIDENTIFIED + 1)]
    for comer in again:
        admission.enter(comer)
    assert switches[0].ended
    assert not again[-1].ended
    for comer in (*switches, *strangers, *again):
        admission.leave(comer)
    assert not admission._unidentified and not admission._newest


# Accepting.


def test_accepting_goes_on_after_a_lack_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[bytes] = []
    listener = Listener(("127.0.0.1", 0), lambda accepted, address: came.append(accepted.recv(4)))
    errors = [OSError(number, "") for number in (errno.EMFILE, errno.ECONNABORTED, errno.ENFILE, errno.ENOMEM)]
    accept = listener.socket.accept
    monkeypatch.setattr("ryu_pmipls.controller.ryu.listener.PAUSE", 0.01)
    listener.socket.accept = lambda: _raise(errors.pop()) if errors else accept()
    thread = hub.spawn(listener.serve_forever)
    eventlet.connect(listener.socket.getsockname()).sendall(b"here")
    until(lambda: came == [b"here"])
    assert not errors
    hub.kill(thread)


def test_a_listening_socket_that_is_useless_is_no_silent_end() -> None:
    listener = Listener(("::1", 0), print)
    listener.socket.accept = lambda: _raise(OSError(errno.EINVAL, ""))
    with pytest.raises(OSError):
        listener.serve_forever()


def _raise(error: Exception) -> Any:
    raise error


# The end of loops without which the process is of no use.

PROGRAM = """
import sys
from ryu.lib import hub
from ryu_pmipls.controller.ryu.listener import OpenFlowListener
from ryu_pmipls.controller.ryu.vital import vital
def useful():
    hub.sleep(0.01)
    {end}
threads = [hub.spawn(vital(useful)), hub.spawn(hub.sleep, 30)]
try:
    hub.joinall(threads)
finally:
    print("in order")
"""


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("return", "useful has come to an end"),
        ("raise ValueError('a fault')", "useful has failed: ValueError('a fault')"),
        ("sys.exit(0)", "useful has failed: SystemExit(0)"),
        ("OpenFlowListener(('192.0.2.1', 1), print)", "OpenFlow cannot be served at 192.0.2.1 port 1"),
    ],
)
def test_the_end_of_a_vital_loop_ends_the_process_with_a_reason(end: str, reason: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(end=end)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "in order\n"), done.stderr
    assert reason in done.stderr


def test_a_vital_loop_that_is_killed_ends_nothing() -> None:
    program = PROGRAM.format(end="hub.kill(hub.getcurrent())").replace(", hub.spawn(hub.sleep, 30)", "")
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "in order\n"), done.stderr


def test_a_process_that_does_not_end_in_order_ends_all_the_same() -> None:
    program = PROGRAM.replace(
        "    hub.joinall(threads)", "    hub.joinall(threads)\nexcept SystemExit:\n    hub.sleep(1000)"
    )
    program = program.replace("import vital", "import vital\nsys.modules[vital.__module__]._ENDING = 0.1")
    command = [sys.executable, "-c", program.format(end="return")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
