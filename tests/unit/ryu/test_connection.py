"""The OpenFlow connection, over TCP and TLS, with Ryu's own handler of the protocol."""

from __future__ import annotations

import _socket
import logging
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import eventlet
import pytest
from eventlet.green import ssl as green_ssl
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_pmipls.controller.domain_certificates import DomainCertificates
from ryu_pmipls.controller.ryu import CONFIGURATION, hub
from ryu_pmipls.controller.ryu.connection import Connection, controller
from ryu_pmipls.controller.ryu.listener import OpenFlowListener
from tests.unit.pki.authorities import PROFILE, client_context, established, opened
from tests.unit.ryu.connection_helpers import (
    ECHO_REPLY,
    ECHO_REQUEST,
    HEADER,
    Switch,
    Tls,
    Told,
    application,
    echo,
    readers,
    until,
)
from tests.waiting import PATIENCE


@pytest.fixture
def told() -> Iterator[Told]:
    with application() as made:
        yield made


@pytest.fixture
def switch(told: Told) -> Iterator[Switch]:
    made = Switch(told)
    yield made
    made.socket.close()
    with eventlet.Timeout(PATIENCE):
        made.thread.wait()


@pytest.fixture
def short_timeout() -> Iterator[None]:
    CONFIGURATION.set_override("socket_timeout", 0.3)
    yield
    CONFIGURATION.clear_override("socket_timeout")


@pytest.fixture(autouse=True)
def errors(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged as an error; a test takes out what it expects."""
    made: list[str] = []

    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            made.append(record.getMessage())

    errors = Errors(logging.ERROR)
    logging.getLogger().addHandler(errors)
    yield made
    logging.getLogger().removeHandler(errors)
    assert made == []


# Reading.


@settings(deadline=None)
@given(
    messages=st.lists(st.binary(max_size=40), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 200), max_size=20),
)
def test_messages_are_read_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(echo(xid, data) for xid, data in enumerate(messages))
    with application() as told:
        switch = Switch(told)
        ends = sorted({*(cut for cut in cuts if cut < len(octets)), len(octets)})
        for begin, end in zip([0, *ends], ends, strict=False):
            switch.socket.sendall(octets[begin:end])
            hub.sleep(0)  # it is read
        for xid, data in enumerate(messages):
            assert switch.message() == (ECHO_REPLY, xid, data)
        assert told.echoes == [*enumerate(messages)]
        switch.socket.close()
        switch.joined()


def test_a_message_octet_by_octet(switch: Switch) -> None:
    for octet in echo(7, b"data"):
        switch.socket.sendall(bytes([octet]))
        hub.sleep(0)
    assert switch.message() == (ECHO_REPLY, 7, b"data")


def test_the_largest_messages_and_many_of_them(switch: Switch) -> None:
    large = [bytes([number]) * (2**16 - 1 - HEADER.size) for number in range(20)]
    sender = eventlet.spawn(switch.socket.sendall, b"".join(echo(xid, data) for xid, data in enumerate(large)))
    for xid, data in enumerate(large):
        assert switch.message() == (ECHO_REPLY, xid, data)
    sender.wait()
    small = range(5000)
    sender = eventlet.spawn(switch.socket.sendall, b"".join(map(echo, small)))
    assert [switch.message()[1] for _ in small] == [*small]
    sender.wait()


def test_others_have_their_turn_while_one_switch_talks_without_end(told: Told) -> None:
    talker, other = Switch(told), Switch(told)
    talker.socket.sendall(b"".join(map(echo, range(4000))))
    other.echo(5000)
    before = len(told.echoes)
    for _ in range(4000):
        talker.message()
    assert len(told.echoes) == 4001
    assert before < 2000
    for switch in (talker, other):
        switch.socket.close()
        switch.thread.wait()


def test_a_failing_handler_is_logged_and_ends_nothing(told: Told, switch: Switch, errors: list[str]) -> None:
    def fail(message: Any) -> None:
        raise ValueError

    told.then = fail
    switch.echo(1)
    switch.echo(2)
    assert told.echoes == [(1, b""), (2, b"")]
    assert errors == ["handling EventOFPEchoRequest failed"] * 2
    errors.clear()


def test_octets_that_come_while_the_reader_waits_elsewhere(told: Told, switch: Switch) -> None:
    """The hub does not spin meanwhile, and they are read later."""
    switch.echo(0)
    busy = hub.Event()
    told.then = lambda message: busy.wait() if message.xid == 1 else None
    switch.socket.sendall(echo(1))
    until(lambda: told.echoes[-1] == (1, b""))
    assert switch.descriptor in readers()
    switch.socket.sendall(echo(2))
    until(lambda: switch.descriptor not in readers())
    busy.set()
    assert [switch.message()[1] for _ in range(2)] == [1, 2]
    switch.echo(3)


# The end.


def test_the_switch_ends_it(switch: Switch) -> None:
    switch.echo(1)
    switch.socket.close()
    switch.joined()


def test_the_switch_ends_it_within_a_message(switch: Switch) -> None:
    switch.socket.sendall(echo(1, b"data")[:-1])
    switch.socket.shutdown(socket.SHUT_WR)
    assert switch.socket.recv(1) == b""
    switch.joined()


def test_the_switch_resets_it(switch: Switch) -> None:
    switch.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    switch.socket.close()
    switch.joined()


def test_a_switch_that_does_not_end_it_has_the_time_of_the_timeout(short_timeout: None, switch: Switch) -> None:
    switch.echo(1)
    switch.connection.close()
    assert switch.socket.recv(1) == b""
    assert switch.connection.socket.fileno() != -1
    switch.joined()


def test_a_handler_ends_it(told: Told, switch: Switch) -> None:
    told.then = lambda message: message.datapath.close()
    switch.socket.sendall(echo(1) + echo(2))
    assert switch.socket.recv(1) == b""
    switch.joined()
    assert told.echoes == [(1, b"")]


def test_a_green_thread_that_is_killed_while_it_waits(told: Told, switch: Switch) -> None:
    switch.echo(1)
    hub.kill(switch.thread)
    assert switch.socket.recv(1) == b""
    switch.joined()


def test_the_next_connection_has_the_same_descriptor(short_timeout: None, told: Told) -> None:
    """And lives on when the time is up for which the former one would have been waited for."""
    descriptors = []
    for number in range(3):
        switch = Switch(told)
        descriptors.append(switch.descriptor)
        switch.connection.close()
        switch.socket.close()
        switch.thread.wait()
        assert len(told.ended) == number + 1
    assert len(set(descriptors)) < 3
    last = Switch(told)
    hub.sleep(0.5)
    last.echo(1)
    last.socket.close()
    last.thread.wait()


def test_nothing_is_sent_after_the_end(switch: Switch) -> None:
    switch.socket.close()
    switch.joined()
    assert not switch.connection.send(echo(1))


def test_sending_to_a_switch_that_is_gone(switch: Switch) -> None:
    switch.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    switch.socket.close()
    for xid in range(40):
        switch.connection.send(echo(xid))
    switch.joined()


# Sending.


def narrow(switch: Switch) -> None:
    """Few octets have room on their way."""
    switch.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


def test_what_is_sent_is_on_its_way_at_once(switch: Switch) -> None:
    switch.echo(0)
    assert switch.connection.send(echo(1))
    plain = switch.socket.fd
    assert plain.recv(100) == echo(1)


@settings(deadline=None)
@given(
    senders=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 9, 2000, 60000])), min_size=1, max_size=4),
        min_size=1,
        max_size=40,
    ),
    pauses=st.lists(st.integers(0, 2), min_size=1, max_size=10),
)
def test_messages_of_many_senders_come_whole_and_in_their_order(
    senders: list[list[tuple[int, int]]], pauses: list[int]
) -> None:
    require_order(senders, pauses)


def require_order(senders: list[list[tuple[int, int]]], pauses: list[int], tls: Tls | None = None) -> None:
    with application() as told:
        switch = Switch(told, tls)
        narrow(switch)
        order: list[tuple[int, int]] = []

        def send(messages: list[tuple[int, int]]) -> None:
            for turns, size in messages:
                for _ in range(turns):
                    hub.sleep(0)
                order.append((len(order), size))
                assert switch.connection.send(echo(len(order) - 1, bytes(size)))

        threads = [eventlet.spawn(send, messages) for messages in senders]
        came = []
        for number in range(sum(map(len, senders))):
            for _ in range(pauses[number % len(pauses)]):
                hub.sleep(0)
            kind, xid, data = switch.message()
            assert kind == ECHO_REQUEST
            came.append((xid, len(data)))
        for thread in threads:
            thread.wait()
        assert came == order
        switch.socket.close()
        switch.joined()


def test_a_write_that_is_under_way_is_not_cut(switch: Switch) -> None:
    """There is room for another message, but Ryu's green thread is not through with a former one."""
    narrow(switch)
    switch.echo(0)
    many = b"".join(echo(xid, bytes(10)) for xid in range(2**17))
    assert switch.connection.send(many)
    for _ in range(5):
        hub.sleep(0)
    came = bytearray()
    with suppress(BlockingIOError):  # not yet giving way to others
        while True:
            came += switch.socket.fd.recv(2**20)
    assert 0 < len(came) < len(many)
    assert switch.connection.send(echo(1))
    came += switch.take(len(many) + HEADER.size - len(came))
    assert came == many + echo(1)


def test_a_switch_that_does_not_read_is_given_up(short_timeout: None, switch: Switch) -> None:
    narrow(switch)
    with eventlet.Timeout(PATIENCE):
        while switch.connection.send(echo(1, bytes(60000))):
            pass
    assert not switch.connection.send(b"")


def test_what_is_sent_last(switch: Switch) -> None:
    switch.echo(0)
    assert switch.connection.send(echo(1))
    assert switch.connection.send(echo(2), close_socket=True)
    switch.connection.send(echo(3))
    assert switch.take(16) == echo(1) + echo(2)
    assert switch.socket.recv(1) == b""
    assert not switch.connection.send(echo(4))


# TLS.


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = established(tmp_path_factory.mktemp("tls") / "pki")
    for node in ("rms", "lma1"):
        opened(folder).issue(node)
    return Tls(DomainCertificates(PROFILE, folder.path), client_context(folder, "lma1", kind=green_ssl.SSLContext))


@pytest.fixture
def tls_switch(short_timeout: None, told: Told, tls: Tls) -> Iterator[Switch]:
    made = Switch(told, tls)
    yield made
    made.socket.close()
    with eventlet.Timeout(PATIENCE):
        made.thread.wait()


def test_tls(told: Told, tls_switch: Switch) -> None:
    large = bytes(2**16 - 1 - HEADER.size)
    for xid in range(5):
        tls_switch.echo(xid, os.urandom(10))
    # Several messages within one record, some over more than one: none waits in the TLS layer.
    octets = b"".join(echo(xid, large if xid % 10 == 0 else b"") for xid in range(5, 50))
    sender = eventlet.spawn(tls_switch.socket.sendall, octets)
    assert [tls_switch.message()[1] for _ in range(45)] == [*range(5, 50)]
    sender.wait()
    hub.sleep(1)  # longer than the socket's timeout
    tls_switch.echo(50)
    tls_switch.socket.close()
    tls_switch.joined()


def test_tls_and_a_switch_that_does_not_end_it(tls_switch: Switch) -> None:
    tls_switch.echo(1)
    tls_switch.connection.close()
    tls_switch.joined()


def test_tls_and_a_switch_that_ends_it_after_us(tls_switch: Switch) -> None:
    tls_switch.echo(1)
    tls_switch.connection.close()
    hub.sleep(0)
    tls_switch.socket.close()
    tls_switch.joined()


def test_tls_that_is_closed_for_sending_is_still_read(told: Told, tls_switch: Switch) -> None:
    tls_switch.echo(1)
    assert tls_switch.connection.send(echo(2), close_socket=True)
    assert tls_switch.message()[1] == 2
    tls_switch.socket.sendall(echo(3))
    tls_switch.socket.close()
    tls_switch.joined()
    assert [xid for xid, _ in told.echoes] == [1, 3]


def test_what_is_not_tls_ends_a_tls_connection(tls_switch: Switch) -> None:
    tls_switch.echo(1)
    _socket.socket.send(tls_switch.socket, b"this is no record of TLS at all")
    tls_switch.joined()


def test_tls_octet_by_octet(tls_switch: Switch) -> None:
    for octet in echo(7, b"data"):
        tls_switch.socket.sendall(bytes([octet]))
        hub.sleep(0)
    assert tls_switch.message() == (ECHO_REPLY, 7, b"data")


def test_tls_and_a_switch_that_resets_it(tls_switch: Switch) -> None:
    tls_switch.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tls_switch.socket.close()
    tls_switch.joined()


def test_tls_and_a_switch_that_does_not_read(tls_switch: Switch) -> None:
    narrow(tls_switch)
    with eventlet.Timeout(PATIENCE):
        while tls_switch.connection.send(echo(1, bytes(60000))):
            pass
    assert not tls_switch.connection.send(b"")


@settings(deadline=None, max_examples=20)
@given(
    senders=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 9, 2000, 60000])), min_size=1, max_size=4),
        min_size=1,
        max_size=40,
    ),
    pauses=st.lists(st.integers(0, 2), min_size=1, max_size=10),
)
def test_tls_and_messages_of_many_senders(tls: Tls, senders: list[list[tuple[int, int]]], pauses: list[int]) -> None:
    require_order(senders, pauses, tls)


def test_tls_and_a_write_that_is_under_way(tls_switch: Switch) -> None:
    """The kernel has no room; what is encrypted already is neither lost nor sent twice, and reading goes on."""
    narrow(tls_switch)
    tls_switch.echo(0)
    many = b"".join(echo(xid, bytes(10)) for xid in range(2**16))
    assert tls_switch.connection.send(many)
    for _ in range(5):
        hub.sleep(0)
    tls_switch.socket.sendall(echo(9))
    until(lambda: tls_switch.told.echoes[-1] == (9, b""))
    assert tls_switch.connection.send(echo(1))
    came = tls_switch.take(len(many) + 2 * HEADER.size)
    assert came[: len(many)] == many
    assert sorted(HEADER.unpack_from(came, len(many) + at)[1::2] for at in (0, HEADER.size)) == [(2, 1), (3, 9)]


# Ryu.


def test_ryu_makes_connections_of_this_class(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("datapath_connection_factory", "StreamServer"):
        monkeypatch.setattr(controller, name, None)
    monkeypatch.setattr(Connection, "admission", None)
    Connection.install({}, Counter())
    assert controller.datapath_connection_factory.func == Connection._serve
    assert controller.StreamServer is OpenFlowListener


def test_an_application_can_be_stopped(told: Told) -> None:
    told.start()
    hub.sleep(0)
    with eventlet.Timeout(PATIENCE):
        told.stop()
