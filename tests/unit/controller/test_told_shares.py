"""What a Load_adjust tells of a MAG's uplink, in a domain of any size."""

from __future__ import annotations

from ipaddress import IPv6Address

from ryu_pmipls.controller.uplink_enforcement import told_shares
from ryu_pmipls.wire import LoadAdjust, Timestamp, UplinkShare, build


def test_all_shares_are_told_where_there_is_room() -> None:
    slots = {f"lma{number}": number for number in range(1, 65)}
    assert told_shares(slots, "lma1") == slots


def test_of_many_the_largest_are_told_and_that_of_who_gets_something() -> None:
    slots = {f"lma{number}": number for number in range(1, 201)}
    told = told_shares(slots, "lma1")
    assert told == {lma: slots[lma] for lma in ["lma1", *(f"lma{number}" for number in range(138, 201))]}
    shares = [UplinkShare(IPv6Address(number), count) for number, count in enumerate(told.values(), start=1)]
    message = LoadAdjust(IPv6Address(1), IPv6Address(2), options=(Timestamp.of(1e9), *shares))
    assert len(build(message, IPv6Address(1), IPv6Address(2))) <= 2048
