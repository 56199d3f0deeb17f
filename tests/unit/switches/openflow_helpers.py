"""A connection and a switch behind it that a test drives by hand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.switches.lma import LmaPipeline
from ryu_pmipls.controller.switches.mag import MagPipeline
from ryu_pmipls.controller.switches.session import Transaction, WriteOutcome
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import Slots

_BARRIER_REQUEST, _FLOW_MOD = 20, 14
_ADD, _DELETE_STRICT = 0, 4


class FakeDatapath:
    """What :class:`SwitchSession` uses of Ryu's; ``sent`` are the writes."""

    def __init__(self, xid: int = 0) -> None:
        self.id = 1
        self.xid = xid
        self.sent: list[bytes] = []
        self.closed = False
        self.barrier_replied: Callable[[int], None] | None = None

    def send(self, octets: bytes) -> bool:
        self.sent.append(octets)
        return True

    def close(self) -> None:
        self.closed = True


class FakeSwitch:
    """A switch, connected or not, that answers when it is told to; ``updates`` are those of each transaction."""

    def __init__(self, connected: bool = True) -> None:
        self.connected = connected
        self.told: list[Transaction] = []
        self.updates: list[list[RouteUpdate]] = []

    @property
    def writer(self) -> FakeSwitch | None:
        return self if self.connected else None

    def route(self, updates: Sequence[RouteUpdate]) -> Transaction:
        self.told.append(Transaction(b"", 1, len(updates), deadline=0.0))
        self.updates.append([*updates])
        return self.told[-1]

    def answer(self, outcome: WriteOutcome = WriteOutcome.ACKED, **errors: str) -> None:
        self.told[-1].errors = {int(place): error for place, error in errors.items()}
        self.told[-1].finish(outcome)


def messages(octets: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, transaction id, whole message) of OpenFlow messages one behind the other."""
    while octets:
        version, kind, length, xid = struct.unpack_from("!BBHI", octets)
        assert version == 4
        assert 8 <= length <= len(octets)
        yield kind, xid, octets[:length]
        octets = octets[length:]


def barrier(octets: bytes) -> int:
    """The transaction id of the barrier request that ends a write, and is the only one in it."""
    barriers = [xid for kind, xid, _ in messages(octets) if kind == _BARRIER_REQUEST]
    assert [kind for kind, _, _ in messages(octets)][-1] == _BARRIER_REQUEST
    (xid,) = barriers
    return xid


def apply(table: dict[tuple[int, int, bytes], tuple[bytes, bytes]], octets: bytes) -> None:
    """Do flow-mods as a switch does: ``table`` maps table, priority and match to cookie and instructions."""
    for kind, _, message in messages(octets):
        assert kind == _FLOW_MOD
        table_id, command = message[24], message[25]
        (priority,) = struct.unpack_from("!H", message, 30)
        (match_length,) = struct.unpack_from("!H", message, 50)
        key = table_id, priority, message[48 : 48 + match_length]
        if command == _ADD:
            table[key] = message[8:16], message[48 + (match_length + 7) // 8 * 8 :]
        else:
            assert command == _DELETE_STRICT
            table.pop(key, None)


def mag_pipeline(
    profile: Profile, mag: str = "mag1", uplinks: Mapping[str, Slots] | None = None, bindings: Iterable[Binding] = ()
) -> MagPipeline:
    """The pipeline of a MAG; ``uplinks`` by anchor, otherwise each the anchor's own."""
    own = {lma.name: (lma.name,) for lma in profile.lmas}
    return MagPipeline(profile, profile.mag(mag), BindingTable(bindings), {mag: own if uplinks is None else uplinks})


def lma_pipeline(
    profile: Profile, lma: str = "lma1", gateway: bytes | None = None, bindings: Iterable[Binding] = ()
) -> LmaPipeline:
    """The pipeline of an LMA; without a ``gateway`` it is unknown."""
    gateways = {} if gateway is None else {lma: gateway}
    return LmaPipeline(profile, profile.lma(lma), BindingTable(bindings), gateways)
