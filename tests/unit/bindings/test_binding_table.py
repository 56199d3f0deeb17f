from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from naive_table import NaiveTable

from ryu_pmipls.controller.bindings import Binding, BindingTable, Result, RouteChange, Update
from ryu_pmipls.controller.bindings.binding_table import TICKS_PER_SECOND

PREFIX, OTHER = (IPv6Network(f"2001:db8:100:{number}::/64").network_address.packed[:8] for number in (1, 2))
NOW = 1_700_000_000.0


def ticks(seconds: float) -> int:
    return int((NOW + seconds) * TICKS_PER_SECOND)


ATTACH = RouteChange(
    PREFIX, None, "mag1", ticks(0), "mn1@example.net", bytes.fromhex("020000000101"), port=3, anchor="lma1"
)
HANDOFF = RouteChange(PREFIX, None, "mag2", ticks(1), port=5)
DETACH = RouteChange(PREFIX, "mag2", None, ticks(2))


def update(bindings: BindingTable, change: RouteChange, now: float) -> Update:
    (done,) = bindings.update([change], now)
    return done


def table(*changes: RouteChange) -> BindingTable:
    bindings = BindingTable()
    for change in changes:
        assert update(bindings, change, NOW).result is Result.CHANGED
    return bindings


def test_first_attachment() -> None:
    bindings = BindingTable()
    done = update(bindings, ATTACH, NOW)
    assert done.result is Result.CHANGED
    assert done.previous is None
    assert done.binding == bindings.get(PREFIX)
    assert done.binding == Binding(
        PREFIX, "mag1", None, "mn1@example.net", bytes.fromhex("020000000101"), 3, "lma1", ticks(0)
    )


def test_e35_the_old_mag_is_filled_in_and_the_table_goes_before_the_message() -> None:
    for claimed in (None, "mag1", "mag9"):
        done = update(table(ATTACH), HANDOFF._replace(old_mag=claimed), NOW)
        assert done.binding is not None
        assert (done.binding.mag, done.binding.previous_mag) == ("mag2", "mag1")


def test_an_old_mag_that_only_the_message_knows_is_taken() -> None:
    done = update(BindingTable(), HANDOFF._replace(old_mag="mag1"), NOW)
    assert done.binding is not None
    assert done.binding.previous_mag == "mag1"


def test_what_a_message_leaves_out_stays_but_a_port_does_not_follow_to_another_mag() -> None:
    binding = table(ATTACH, HANDOFF._replace(port=None)).get(PREFIX)
    assert binding is not None
    assert (binding.identifier, binding.anchor, binding.port) == ("mn1@example.net", "lma1", None)
    binding = table(ATTACH, RouteChange(PREFIX, None, "mag1", ticks(1))).get(PREFIX)
    assert binding is not None
    assert (binding.port, binding.previous_mag, binding.timestamp) == (3, None, ticks(1))


def test_e38_a_duplicate_changes_nothing_and_an_older_message_is_stale() -> None:
    bindings = table(ATTACH, HANDOFF)
    before = bindings.get(PREFIX)
    for change, result in (
        (HANDOFF, Result.UNCHANGED),
        (ATTACH, Result.STALE),
        (HANDOFF._replace(new_mag="mag3"), Result.STALE),
    ):
        done = update(bindings, change, NOW)
        assert (done.result, done.binding, done.previous) == (result, before, before)
    assert bindings.get(PREFIX) == before


def test_e36_a_detachment_keeps_the_prefix_against_late_messages() -> None:
    bindings = table(ATTACH, HANDOFF, DETACH)
    binding = bindings.get(PREFIX)
    assert binding is not None
    assert (binding.mag, binding.previous_mag, binding.port) == (None, "mag2", None)
    assert update(bindings, HANDOFF, NOW).result is Result.STALE
    assert update(bindings, DETACH, NOW).result is Result.UNCHANGED
    done = update(bindings, ATTACH._replace(timestamp=ticks(3)), NOW)
    assert done.result is Result.CHANGED
    assert done.binding is not None
    assert (done.binding.mag, done.binding.previous_mag) == ("mag1", "mag2")


def test_a_detachment_counts_only_from_where_the_mobile_node_is() -> None:
    bindings = table(ATTACH, HANDOFF)
    before = bindings.get(PREFIX)
    for change in (
        DETACH._replace(old_mag="mag1"),
        DETACH._replace(old_mag=None),
    ):
        assert update(bindings, change, NOW).result is Result.NOT_CURRENT
    assert bindings.get(PREFIX) == before


def test_an_attachment_that_is_told_of_after_its_end_does_not_come_back() -> None:
    bindings = table(DETACH)
    binding = bindings.get(PREFIX)
    assert binding is not None and (binding.mag, binding.previous_mag) == (None, "mag2")
    assert update(bindings, HANDOFF, NOW).result is Result.STALE
    later = update(bindings, DETACH._replace(old_mag="mag3", timestamp=ticks(3)), NOW)
    assert later.result is Result.CHANGED and not later.moved
    assert update(bindings, HANDOFF._replace(new_mag="mag3", timestamp=ticks(2.5)), NOW).result is Result.STALE
    assert update(bindings, ATTACH._replace(timestamp=ticks(4)), NOW).moved


def test_ends_of_what_nobody_has_told_of_take_bounded_room_and_time() -> None:
    bindings = BindingTable(max_detached=2)
    ends = [DETACH._replace(prefix=number.to_bytes(8, "big")) for number in range(3)]
    results = [update(bindings, end, NOW).result for end in ends]
    assert results == [Result.CHANGED, Result.CHANGED, Result.NOT_CURRENT]
    update(bindings, ends[0]._replace(timestamp=ticks(3)), NOW)  # now the last to expire
    assert bindings.expire(NOW + 12.5, after=10.0) == [ends[1].prefix]
    assert update(bindings, ends[2], NOW).result is Result.CHANGED
    assert bindings.expire(NOW + 13.5, after=10.0) == [ends[0].prefix, ends[2].prefix]
    assert len(bindings) == 0


def test_a_timestamp_from_the_future_does_not_lock_a_prefix() -> None:
    bindings = table(ATTACH)
    assert update(bindings, HANDOFF._replace(timestamp=ticks(5.1)), NOW).result is Result.TOO_NEW
    assert update(bindings, HANDOFF._replace(timestamp=ticks(5.0)), NOW).result is Result.CHANGED


def test_a_clock_that_was_set_back_does_not_lock_a_prefix() -> None:
    stored = table(ATTACH).get(PREFIX)
    assert stored is not None
    bindings = BindingTable([stored._replace(timestamp=ticks(86400))])
    assert update(bindings, HANDOFF, NOW).result is Result.CHANGED


def test_a_prefix_is_shown_as_a_network() -> None:
    binding = table(ATTACH).get(PREFIX)
    assert binding is not None
    assert binding.network == IPv6Network("2001:db8:100:1::/64")


def test_by_mag() -> None:
    bindings = table(ATTACH, ATTACH._replace(prefix=OTHER))
    assert {binding.prefix for binding in bindings.at("mag1")} == {PREFIX, OTHER}
    update(bindings, HANDOFF, NOW)
    assert [binding.prefix for binding in bindings.at("mag1")] == [OTHER]
    assert [binding.prefix for binding in bindings.at("mag2")] == [PREFIX]
    assert list(bindings.at("mag9")) == []
    assert (bindings.prefixes("mag1"), bindings.prefixes("mag9")) == ([OTHER], [])
    assert set(bindings.prefixes()) == {PREFIX, OTHER}
    assert {binding.prefix for binding in bindings} == {PREFIX, OTHER}
    assert len(bindings) == 2


def test_only_what_was_detached_long_enough_expires() -> None:
    bindings = table(ATTACH, HANDOFF, DETACH, ATTACH._replace(prefix=OTHER))
    assert bindings.expire(NOW + 60, after=60) == []
    assert bindings.expire(NOW + 63, after=60) == [PREFIX]
    assert [binding.prefix for binding in bindings] == [OTHER]
    assert bindings.expire(NOW + 63, after=60) == []


attachments = st.lists(
    st.tuples(st.sampled_from(["mag1", "mag2", "mag3"]), st.integers(0, 50)),
    min_size=1,
    max_size=12,
    unique_by=lambda change: change[1],
)


@given(attachments, st.data())
def test_the_newest_attachment_wins_in_whatever_order_they_come(
    changes: list[tuple[str, int]], data: st.DataObject
) -> None:
    bindings = BindingTable()
    for mag, tick in data.draw(st.permutations(changes * 2)):
        update(bindings, RouteChange(PREFIX, None, mag, ticks(0) + tick), NOW)
    binding = bindings.get(PREFIX)
    assert binding is not None
    newest = max(changes, key=lambda change: change[1])
    assert (binding.mag, binding.timestamp) == (newest[0], ticks(0) + newest[1])
    assert [binding] == list(bindings.at(newest[0])) == list(bindings)
    assert list(BindingTable(bindings).at(newest[0])) == [binding]


AT_LMA = Binding(PREFIX, "mag1", None, None, None, None, None, 0)
AT_MAG = Binding(PREFIX, "mag1", None, "mn1@example.net", bytes.fromhex("020000000101"), 3, "lma1", 0)


@pytest.mark.parametrize("order", [(AT_LMA, AT_MAG), (AT_MAG, AT_LMA), (AT_LMA, AT_MAG, AT_LMA, AT_MAG)])
def test_what_lmas_and_mags_hold_makes_up_a_binding(order: tuple[Binding, ...]) -> None:
    bindings = BindingTable()
    updates = [bindings.recover(found) for found in order]
    assert bindings.get(PREFIX) == AT_MAG
    assert updates[0] == (Result.CHANGED, order[0], None)
    assert updates[0].moved
    assert not any(update.moved for update in updates[1:])


def test_a_mag_that_the_mobile_node_has_left_does_not_get_it_back() -> None:
    elsewhere = AT_LMA._replace(mag="mag2")
    bindings = BindingTable()
    bindings.recover(elsewhere)
    assert bindings.recover(AT_MAG) == (Result.STALE, elsewhere, elsewhere)
    bindings = BindingTable()
    bindings.recover(AT_MAG)
    update = bindings.recover(elsewhere)
    assert update == (Result.CHANGED, AT_MAG._replace(mag="mag2", port=None), AT_MAG)
    assert update.moved


def test_what_was_recovered_gives_way_to_any_message_and_never_the_other_way_round() -> None:
    bindings = BindingTable()
    bindings.recover(AT_MAG)
    assert update(bindings, ATTACH._replace(timestamp=1), NOW).result is Result.CHANGED
    for found in (AT_MAG, AT_LMA._replace(mag="mag2")):
        assert bindings.recover(found).result is Result.STALE
    update(bindings, DETACH._replace(old_mag="mag1"), NOW)
    assert bindings.recover(AT_LMA).result is Result.STALE


MAGS = st.sampled_from(["mag1", "mag2", "mag3"])
#: Few, so that they meet; the last one is as large as can be.
PREFIXES = st.sampled_from([number.to_bytes(8, "big") for number in (0, 1, 2, 0x20010DB801000001, 2**64 - 1)])
#: Round what NOW is when most has happened, and far off.
TIMESTAMPS = st.integers(0, 40).map(lambda tenths: ticks(tenths / 10)) | st.sampled_from([0, ticks(3600), ticks(86400)])

CHANGES = st.builds(
    RouteChange,
    prefix=PREFIXES,
    old_mag=MAGS | st.none(),
    new_mag=MAGS | st.none(),
    timestamp=TIMESTAMPS,
    identifier=st.none() | st.text(max_size=5),
    link_layer_address=st.none() | st.binary(max_size=8),
    port=st.none() | st.integers(1, 2**32 - 1),
    anchor=st.none() | st.sampled_from(["lma1", "lma2"]),
)


class TableAndModel(RuleBasedStateMachine):
    """The table and the naive one do the same, whatever comes."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.model = BindingTable(max_detached=2), NaiveTable(max_detached=2)
        self.now = NOW

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=3))
    def report(self, changes: list[RouteChange]) -> None:
        expected = []
        for change in changes:
            before = self.model.get(change.prefix)
            (result,) = self.model.update([change], self.now)
            expected.append(Update(result, self.model.get(change.prefix), before))
        assert self.table.update(changes, self.now) == expected

    @rule(seconds=st.sampled_from([0.1, 1.0, 3600.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def set_the_clock_back(self) -> None:
        self.now = NOW

    @rule(after=st.sampled_from([0.0, 2.0, 3600.0]), limit=st.integers(1, 3))
    def expire(self, after: float, limit: int) -> None:
        due = {
            prefix
            for prefix in self.model.at(None)
            if self.model.entries[prefix].timestamp < (self.now - after) * TICKS_PER_SECOND
        }
        expired = self.table.expire(self.now, after, limit)
        assert set(expired) <= due
        assert len(expired) == len(set(expired)) <= limit
        for prefix in expired:
            del self.model.entries[prefix]

    @rule()
    def everything_expires_in_time(self) -> None:
        self.now += 86400 + 3601  # a timestamp may be a day ahead, if the clock was set back
        forgotten = self.table.expire(self.now, limit=1000)
        assert set(forgotten) == self.model.at(None)
        for prefix in forgotten:
            del self.model.entries[prefix]

    @rule()
    def restart(self) -> None:
        self.table = BindingTable(self.table, max_detached=2)

    @invariant()
    def same_bindings(self) -> None:
        assert {binding.prefix: binding for binding in self.table} == {p: self.model.get(p) for p in self.model.entries}
        assert len(self.table) == len(list(self.table)) == len(self.model.entries)
        for mag in ("mag1", "mag2", "mag3"):
            found = [binding.prefix for binding in self.table.at(mag)]
            assert self.table.prefixes(mag) == found
            assert len(found) == len(set(found))
            assert set(found) == self.model.at(mag)
            anchors = Counter(self.model.get(prefix).anchor for prefix in found)
            del anchors[None]
            assert self.table.sessions().get(mag, {}) == anchors


TableAndModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_the_table_does_what_the_naive_one_does = TableAndModel.TestCase


@pytest.mark.parametrize("iterate", [BindingTable.__iter__, lambda table: table.at("mag1")])
@given(data=st.data())
def test_the_table_may_change_while_it_is_iterated_over(iterate: object, data: st.DataObject) -> None:
    prefixes = [number.to_bytes(8, "big") for number in range(30)]
    changed = data.draw(st.sets(st.sampled_from(prefixes)))
    removed = data.draw(st.sets(st.sampled_from([prefix for prefix in prefixes if prefix not in changed] or prefixes)))
    bindings = table(*(ATTACH._replace(prefix=prefix) for prefix in prefixes))
    seen: list[Binding] = []
    iterator: Iterator[Binding] = iterate(bindings)  # type: ignore[operator]
    changes = iter([*changed, *removed])
    step = data.draw(st.integers(1, 5))
    for number, binding in enumerate(iterator):
        assert binding == bindings.get(binding.prefix)
        seen.append(binding)
        prefix = next(changes, None) if number % step == 0 else None
        if prefix in removed:
            update(bindings, RouteChange(prefix, "mag1", None, ticks(1)), NOW)
            bindings.expire(NOW + 7200)
        elif prefix is not None:
            update(bindings, ATTACH._replace(prefix=prefix, port=9, timestamp=ticks(1)), NOW)
        update(bindings, ATTACH._replace(prefix=(1000 + number).to_bytes(8, "big")), NOW)
    names = [binding.prefix for binding in seen]
    assert len(names) == len(set(names))
    assert set(prefixes) - removed <= set(names)


def test_what_was_detached_late_but_told_early_does_not_hold_up_the_rest_for_long() -> None:
    bindings = table(
        *(ATTACH._replace(prefix=prefix) for prefix in (PREFIX, OTHER)),
        RouteChange(PREFIX, "mag1", None, ticks(5)),
        RouteChange(OTHER, "mag1", None, ticks(2)),
    )
    assert bindings.expire(NOW + 3604) == []
    assert bindings.expire(NOW + 3606) == [PREFIX, OTHER]
