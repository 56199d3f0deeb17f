from __future__ import annotations

from ryu_pmipls.domain.tunnel_kinds import TUNNEL_KINDS, possible_kinds
from ryu_pmipls.wire import Encapsulation


def test_every_kind_has_a_number_for_tnl_ack() -> None:
    assert {*TUNNEL_KINDS} == {member.name.lower() for member in Encapsulation}


def test_a_kind_is_offered_from_its_version_on_and_where_its_datapath_is() -> None:
    srv6 = TUNNEL_KINDS["srv6"]
    assert srv6.offered((3, 2, 0), userspace=True) and srv6.offered((3, 5, 1), userspace=True)
    assert not srv6.offered((3, 1, 9), userspace=True) and not srv6.offered((3, 5, 0), userspace=False)
    assert TUNNEL_KINDS["gre"].offered((3, 1, 0), userspace=False)


def test_any_kind_may_come_of_auto() -> None:
    assert possible_kinds("auto") == [*TUNNEL_KINDS.values()]
    assert possible_kinds("gre") == [TUNNEL_KINDS["gre"]]
