"""What the downlink entries of a switch have counted: asked for a part at a time, read without parsing the rest."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openflow_helpers import FakeDatapath, barrier, lma_pipeline, mag_pipeline

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.ryu import ToldEntry
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.cookies import SLICES, cookie, slice_cookie, slice_of
from ryu_pmipls.controller.switches.flow import FlowEntry, Owner
from ryu_pmipls.controller.switches.lma import LmaRule, LmaTable
from ryu_pmipls.controller.switches.mag_rules import MagRule
from ryu_pmipls.controller.switches.session import SwitchSession, WriteOutcome
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import load_profile

PROFILE = load_profile("two-lma")
PORTS = {"core": 1, "t-mag1": 10, "t-mag2": 11, "acc1": 1, "t-lma1": 4, "err1400": 9}
PREFIX = bytes.fromhex("20010db80114dc02")
BINDING = Binding(PREFIX, "mag1", None, "mn1@example.net", bytes(6), 1, "lma1", 0)


def told(entry: FlowEntry, packets: int) -> ToldEntry:
    """An entry as a switch tells of it (OpenFlow 1.3, A.3.5.2)."""
    octets = encode.octets(encode.add_flow(entry, 7), 1)
    head = struct.pack(
        "!BxIIHHHHxxxxQQQ",
        *(entry.rule.table.number, 0, 0, entry.rule.priority, 0, entry.rule.hard_timeout, 0),
        *(int.from_bytes(octets[8:16], "big"), packets, 60 * packets),
    )
    length = 2 + len(head) + len(octets[48:])
    return ToldEntry.parser(b"some octets before" + struct.pack("!H", length) + head + octets[48:], 18)


def entries_of_everything() -> list[FlowEntry]:
    mag, lma = mag_pipeline(PROFILE), lma_pipeline(PROFILE, gateway=bytes(6))
    return [
        *mag.base_entries(PORTS, None),
        *mag.binding_entries(PORTS, BINDING),
        *mag.binding_entries(PORTS, BINDING._replace(mag="mag2")),
        *lma.base_entries(PORTS, bytes(6)),
        *lma.binding_entries(PORTS, BINDING),
    ]


def test_the_downlink_entries_of_bindings_are_counted_and_no_others() -> None:
    entries = entries_of_everything()
    counted = [entry.rule for entry in entries if told(entry, 5).counted() == (PREFIX, 5)]
    assert counted == [MagRule.DOWNLINK, LmaRule.ROUTE]
    assert sum(told(entry, 5).counted() is not None for entry in entries) == 2


def test_it_counts_what_ryu_would_read() -> None:
    entry = told(next(lma_pipeline(PROFILE).binding_entries(PORTS, BINDING)), 2**40)
    assert entry.counted() == (PREFIX, entry.parsed().packet_count)


@given(octets=st.binary(max_size=120), length=st.integers(56, 300), match_length=st.integers(0, 2**16 - 1))
def test_no_octets_make_it_fail(octets: bytes, length: int, match_length: int) -> None:
    body = bytearray((struct.pack("!H", length) + bytes(44) + b"\0\1" + octets).ljust(length, b"\0")[:length])
    struct.pack_into("!H", body, 50, match_length)
    entry = ToldEntry.parser(bytes(body), 0)
    entry.counted()
    entry.counted_from_port()


@pytest.mark.parametrize("slices", [1, 2, 16, SLICES])
@pytest.mark.parametrize("last", [0, 1, 63, 64, 201])
def test_a_slice_of_fewer_has_the_bindings_of_several(slices: int, last: int) -> None:
    prefix = PREFIX[:-1] + bytes((last,))
    own = cookie(Owner.BINDING, 7, slice_of(prefix))
    found = [
        slice_ for slice_ in range(slices) for value, mask in [slice_cookie(slice_, slices)] if own & mask == value
    ]
    assert found == [last % slices]


class Asked:
    """A connected switch that a test answers for."""

    def __init__(self) -> None:
        self.datapath = FakeDatapath()
        self.switch = Switch(lma_pipeline(PROFILE), lambda *_: True, None)
        connection: Any = self.datapath
        self.session = SwitchSession(connection)
        self.switch.counters.begin(self.session)

    def ask(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> dict[bytes, int] | None:
        """Ask, and let the switch answer while that waits."""

        def wait(transaction: Any) -> WriteOutcome:
            for answer in answers:
                answer(transaction.first_xid)
            return transaction.outcome  # type: ignore[no-any-return]

        monkeypatch.setattr("ryu_pmipls.controller.switches.session.Transaction.wait", wait)
        return self.switch.counters.downlink_entries(0, 1)

    def tell(self, packets: int) -> Any:
        entry = next(lma_pipeline(PROFILE).binding_entries(PORTS, BINDING))
        return lambda xid: self.switch.record_flow_stats(xid, [told(entry, packets)])

    def done(self, _: int) -> None:
        self.session.barrier_reply(barrier(self.datapath.sent[-1]))


def test_a_switch_that_answers_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    assert asked.ask(monkeypatch, asked.tell(5), asked.done) == {PREFIX: 5}
    assert asked.switch.inventory.flow_stats == []
    request = encode.flow_stats_request(0, 1, LmaTable.DOWNLINK.number)
    assert asked.datapath.sent[0].startswith(encode.octets(request, 1))


def test_an_answer_that_comes_too_late_is_taken_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, late = Asked(), []
    give_up = [late.append, lambda _: asked.session.expire(float("inf"))]
    assert asked.ask(monkeypatch, *give_up) is None
    assert asked.ask(monkeypatch, lambda _: asked.tell(4)(late[0]), asked.tell(5), asked.done) == {PREFIX: 5}
    assert asked.switch.inventory.flow_stats == []


def test_a_switch_that_is_away_tells_nothing() -> None:
    assert Switch(lma_pipeline(PROFILE), lambda *_: True, None).counters.downlink_entries(0, 1) is None
