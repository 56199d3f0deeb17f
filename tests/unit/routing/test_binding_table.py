from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.routing import Binding, BindingTable, Result, RouteChange
from ryu_pmipls.routing.binding_table import TICKS_PER_SECOND

PREFIX = IPv6Network("2001:db8:100:1::/64")
OTHER = IPv6Network("2001:db8:100:2::/64")
NOW = 1_700_000_000.0


def ticks(seconds: float) -> int:
    return int((NOW + seconds) * TICKS_PER_SECOND)


ATTACH = RouteChange(
    PREFIX, None, "mag1", ticks(0), "mn1@example.net", bytes.fromhex("020000000101"), port=3, anchor="lma1"
)
HANDOFF = RouteChange(PREFIX, None, "mag2", ticks(1), port=5)
DETACH = RouteChange(PREFIX, "mag2", None, ticks(2))


def table(*changes: RouteChange) -> BindingTable:
    bindings = BindingTable()
    for change in changes:
        assert bindings.update(change, NOW).result is Result.CHANGED
    return bindings


def test_first_attachment() -> None:
    bindings = BindingTable()
    update = bindings.update(ATTACH, NOW)
    assert update.result is Result.CHANGED
    assert update.previous is None
    assert update.binding == bindings.get(PREFIX)
    assert update.binding == Binding(
        PREFIX, "mag1", None, "mn1@example.net", bytes.fromhex("020000000101"), 3, "lma1", ticks(0)
    )


def test_e35_the_old_mag_is_filled_in_and_the_table_goes_before_the_message() -> None:
    for claimed in (None, "mag1", "mag9"):
        update = table(ATTACH).update(replace(HANDOFF, old_mag=claimed), NOW)
        assert update.binding is not None
        assert (update.binding.mag, update.binding.previous_mag) == ("mag2", "mag1")


def test_an_old_mag_that_only_the_message_knows_is_taken() -> None:
    update = BindingTable().update(replace(HANDOFF, old_mag="mag1"), NOW)
    assert update.binding is not None
    assert update.binding.previous_mag == "mag1"


def test_what_a_message_leaves_out_stays_but_a_port_does_not_follow_to_another_mag() -> None:
    binding = table(ATTACH, replace(HANDOFF, port=None)).get(PREFIX)
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
        (replace(HANDOFF, new_mag="mag3"), Result.STALE),
    ):
        update = bindings.update(change, NOW)
        assert (update.result, update.binding, update.previous) == (result, before, before)
    assert bindings.get(PREFIX) == before


def test_e36_a_detachment_keeps_the_prefix_against_late_messages() -> None:
    bindings = table(ATTACH, HANDOFF, DETACH)
    binding = bindings.get(PREFIX)
    assert binding is not None
    assert (binding.mag, binding.previous_mag, binding.port) == (None, "mag2", None)
    assert bindings.update(HANDOFF, NOW).result is Result.STALE
    assert bindings.update(DETACH, NOW).result is Result.UNCHANGED
    update = bindings.update(replace(ATTACH, timestamp=ticks(3)), NOW)
    assert update.result is Result.CHANGED
    assert update.binding is not None
    assert (update.binding.mag, update.binding.previous_mag) == ("mag1", "mag2")


def test_a_detachment_counts_only_from_where_the_mobile_node_is() -> None:
    bindings = table(ATTACH, HANDOFF)
    before = bindings.get(PREFIX)
    for change in (
        replace(DETACH, old_mag="mag1"),
        replace(DETACH, old_mag=None),
        replace(DETACH, prefix=OTHER),
    ):
        assert bindings.update(change, NOW).result is Result.NOT_CURRENT
    assert bindings.get(PREFIX) == before
    assert bindings.get(OTHER) is None
    detached = table(ATTACH, HANDOFF, DETACH)
    assert detached.update(replace(DETACH, old_mag=None, timestamp=ticks(3)), NOW).result is Result.NOT_CURRENT


def test_a_timestamp_from_the_future_does_not_lock_a_prefix() -> None:
    bindings = table(ATTACH)
    assert bindings.update(replace(HANDOFF, timestamp=ticks(5.1)), NOW).result is Result.TOO_NEW
    assert bindings.update(replace(HANDOFF, timestamp=ticks(5.0)), NOW).result is Result.CHANGED


def test_a_clock_that_was_set_back_does_not_lock_a_prefix() -> None:
    stored = table(ATTACH).get(PREFIX)
    assert stored is not None
    bindings = BindingTable([replace(stored, timestamp=ticks(86400))])
    assert bindings.update(HANDOFF, NOW).result is Result.CHANGED


def test_by_mag() -> None:
    bindings = table(ATTACH, replace(ATTACH, prefix=OTHER))
    assert {binding.prefix for binding in bindings.at("mag1")} == {PREFIX, OTHER}
    bindings.update(HANDOFF, NOW)
    assert [binding.prefix for binding in bindings.at("mag1")] == [OTHER]
    assert [binding.prefix for binding in bindings.at("mag2")] == [PREFIX]
    assert bindings.at("mag9") == []
    assert {binding.prefix for binding in bindings} == {PREFIX, OTHER}
    assert len(bindings) == 2


def test_only_what_was_detached_long_enough_expires() -> None:
    bindings = table(ATTACH, HANDOFF, DETACH, replace(ATTACH, prefix=OTHER))
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
        bindings.update(RouteChange(PREFIX, None, mag, ticks(0) + tick), NOW)
    binding = bindings.get(PREFIX)
    assert binding is not None
    newest = max(changes, key=lambda change: change[1])
    assert (binding.mag, binding.timestamp) == (newest[0], ticks(0) + newest[1])
    assert [binding] == bindings.at(newest[0]) == list(bindings)
    assert BindingTable(bindings).at(newest[0]) == [binding]
