"""Fuzz target: the whole receive path of an OpenFlow connection, up to what the RMS keeps of a switch.

The first octet of the input says how far the connection is: bits 0 and 1 what the switch has said before (nothing,
HELLO, its features, its ports), bits 2 and 3 in pieces of how many octets the rest comes. The rest is what it says.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from typing import Any

from ryu.base import app_manager
from ryu.controller.handler import register_instance
from ryu.controller.ofp_handler import OFPHandler

from ryu_pmipls.controller.bindings import BindingTable
from ryu_pmipls.controller.ryu import MAIN_DISPATCHER, error_name, ofp_event, ofproto_v1_3, set_ev_cls
from ryu_pmipls.controller.ryu.admission import Admission
from ryu_pmipls.controller.ryu.connection import Connection, PromptApp
from ryu_pmipls.controller.ryu.connection_errors import RefusalError
from ryu_pmipls.controller.switches import decoding as decode
from ryu_pmipls.controller.switches.mag import MagPipeline
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, load_profile
from tests.unit.ryu.openflow_octets import PORT_DESCRIPTION, features, hello, multipart, port

#: Seconds of processor time that an input may take.
LIMIT = 0.05
#: What a part of a message that is kept stands for: the least octets of an entry, a group and a port.
ENTRY, GROUP, PORT = 56, 8, 64

PROFILE = load_profile(str(SHIPPED_PROFILES / "two-lma.yaml"))
MAG = PROFILE.mags[0]
PROLOGUE = (
    hello(),
    features(MAG.datapath_id),
    multipart(PORT_DESCRIPTION, port(1, b"acc1")),
)
PIECES = (2**16, 7, 100, 4096)


def new_switch() -> Switch:
    """A switch that nobody has heard of."""
    return Switch(MagPipeline(PROFILE, MAG, BindingTable(), {}), lambda switch, entries: True, None)


class Receiver(PromptApp):
    """What the RMS does with the events of a switch, without what follows from it."""

    def __init__(self) -> None:
        super().__init__()
        self.switch = new_switch()

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def _ports(self, event: Any) -> None:
        self.switch.inventory.record_port_descriptions(
            event.msg.body, bool(event.msg.flags & ofproto_v1_3.OFPMPF_REPLY_MORE)
        )

    @set_ev_cls(ofp_event.EventOFPGroupDescStatsReply, MAIN_DISPATCHER)
    def _groups(self, event: Any) -> None:
        self.switch.inventory.record_group_descriptions(event.msg.body)

    @set_ev_cls(ofp_event.EventOFPFlowStatsReply, MAIN_DISPATCHER)
    def _entries(self, event: Any) -> None:
        self.switch.record_flow_stats(event.msg.xid, event.msg.body)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def _port(self, event: Any) -> None:
        self.switch.follow_port_status(event.msg.desc, event.msg.reason == ofproto_v1_3.OFPPR_DELETE)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def _error(self, event: Any) -> None:
        self.switch.errors[error_name(event.msg)] += 1

    @set_ev_cls(ofp_event.EventOFPPortStatsReply, MAIN_DISPATCHER)
    def _statistics(self, event: Any) -> None:
        self.switch.counters.record_port_stats(event.msg.body, bool(event.msg.flags & ofproto_v1_3.OFPMPF_REPLY_MORE))

    @set_ev_cls(ofp_event.EventOFPGroupStatsReply, MAIN_DISPATCHER)
    def _counted(self, event: Any) -> None:
        assert all(group.packet_count >= 0 for group in event.msg.body)

    @set_ev_cls(ofp_event.EventOFPAggregateStatsReply, MAIN_DISPATCHER)
    def _traffic(self, event: Any) -> None:
        self.switch.record_aggregate(event.msg.xid, event.msg.body)


class _Failures(logging.Handler):
    """Makes a handler's exception, which the connection only logs, a finding."""

    def emit(self, record: logging.LogRecord) -> None:
        assert record.exc_info and record.exc_info[1]
        raise record.exc_info[1]


class _NoSocket:
    """Takes all that is asked of a socket."""

    fd = property(lambda self: self)

    def fileno(self) -> int:
        return -1

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


class _Connection(Connection):
    """A connection that receives what is given, and sends nothing."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__(_NoSocket(), ("::1", 1))
        self._pieces = pieces

    def _read(self) -> bytes:
        return next(self._pieces, b"")

    def send(self, octets: bytes, close_socket: bool = False) -> bool:
        return True


def _pieces(prologue: bytes, octets: bytes, size: int) -> Iterator[bytes]:
    if prologue:
        yield prologue
    for begin in range(0, len(octets), size):
        yield octets[begin : begin + size]


PROTOCOL, RECEIVER = OFPHandler(), Receiver()
_BRICKS = {application.name: application for application in (PROTOCOL, RECEIVER)}
for _application in _BRICKS.values():
    register_instance(_application)
for _event in RECEIVER.event_handlers:
    PROTOCOL.register_observer(_event, RECEIVER.name)


def execute(data: bytes) -> None:
    """Receive the input in time; what exceeds it thrice does so not because of the garbage collector."""
    spent = [LIMIT]
    while len(spent) < 4 and spent[-1] >= LIMIT:
        begin = time.thread_time()
        receive(data)
        spent.append(time.thread_time() - begin)
    assert spent[-1] < LIMIT, f"{min(spent[1:]):.3f} s"


def receive(data: bytes) -> None:
    """Have a connection receive the input, and the RMS look at all that comes of it."""
    control, octets = data[0] if data else 0, data[1:]
    RECEIVER.switch = new_switch()
    before = dict(app_manager.SERVICE_BRICKS)
    log = logging.getLogger(Connection.__module__)
    log.addHandler(failures := _Failures(logging.ERROR))
    app_manager.SERVICE_BRICKS.update(_BRICKS)
    admission = Connection.admission
    Connection.admission = Admission({MAG.datapath_id: IPv6Address("::1")}, Counter())
    connection = _Connection(_pieces(b"".join(PROLOGUE[: control & 3]), octets, PIECES[control >> 2 & 3]))
    connection.admission.enter(connection)
    try:
        connection._recv_loop()
    except RefusalError as error:
        assert error.reason and str(error)
    finally:
        log.removeHandler(failures)
        Connection.admission = admission
        app_manager.SERVICE_BRICKS.clear()
        app_manager.SERVICE_BRICKS.update(before)
    _look(RECEIVER.switch, len(data))


def _look(switch: Switch, size: int) -> None:
    """Decode what is kept of a switch, none of which is more than its octets."""
    told = [*switch.inventory.flow_stats, *switch.counters._by_port.entries]
    assert sum(entry.length for entry in told) <= size and len(told) <= size // ENTRY
    assert len(switch.inventory.groups) <= size // GROUP
    assert len(switch.ports) <= size // PORT + 1 and len(switch.inventory._described) <= size // PORT
    for entry in told:
        entry.counted()
        entry.counted_from_port()
        stats = entry.parsed()
        if stats is not None:
            decode.entry(stats, ())
    switch.inventory.decode_entries(lambda: False)
