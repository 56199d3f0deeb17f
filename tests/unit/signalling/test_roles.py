"""Every message from every node to every role (erratum E44)."""

from __future__ import annotations

from ipaddress import IPv6Address
from itertools import combinations, product

import pytest

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling import Role, Roles
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingError,
    BindingRevocationAcknowledgement,
    BindingRevocationIndication,
    BindingUpdate,
    Heartbeat,
    LoadAdjust,
    LoadInfo,
    Message,
    RouteAdjust,
    TunnelAck,
    TunnelRequest,
    UpdateNotification,
    UpdateNotificationAcknowledgement,
)

PROFILE = load_profile("two-lma")
RMS = PROFILE.rms.address
LMA, LMA2 = (lma.address for lma in PROFILE.lmas)
MAG, MAG2 = (mag.address for mag in PROFILE.mags)
NOBODY = IPv6Address("::")
STRANGER = IPv6Address("2001:db8::666")
PREFIX = IPv6Address("2001:db8:100::")

MESSAGES: dict[str, Message] = {
    "PBU": BindingUpdate(1, 1),
    "PBA": BindingAcknowledgement(0, 1, 1),
    "Tnl_request": TunnelRequest(MAG),
    "Tnl_ack": TunnelAck(LMA),
    "Load_info": LoadInfo(0.5, 0),
    "Load_adjust": LoadAdjust(LMA, LMA2),
    "attach at MAG": RouteAdjust(PREFIX, NOBODY, MAG),
    "move to MAG": RouteAdjust(PREFIX, MAG2, MAG),
    "move from MAG": RouteAdjust(PREFIX, MAG, MAG2),
    "detach from MAG": RouteAdjust(PREFIX, MAG, NOBODY),
    "detach from MAG2": RouteAdjust(PREFIX, MAG2, NOBODY),
    "BE": BindingError(2),
    "HB": Heartbeat(1),
    "BRI": BindingRevocationIndication(1, 1),
    "BRA": BindingRevocationAcknowledgement(0, 1),
    "UPN": UpdateNotification(1, 1),
    "UPA": UpdateNotificationAcknowledgement(1, 0),
}
SOURCES = {"RMS": RMS, "LMA": LMA, "MAG": MAG, "stranger": STRANGER}
ROUTE_ADJUSTS = {name for name, message in MESSAGES.items() if isinstance(message, RouteAdjust)}

#: receiver -> sender -> what it may say; everything else is refused.
PERMITTED = {
    Role.RMS: {
        "LMA": {"Load_info", "Load_adjust", "BE", *ROUTE_ADJUSTS},
        "MAG": {"Load_adjust", "BE", "attach at MAG", "move to MAG", "detach from MAG"},
    },
    Role.LMA: {
        "MAG": {"PBU", "BRA", "Tnl_request", "HB", "BE"},
        "LMA": {"PBU", "PBA", "BE"},
        "RMS": {"Load_adjust", "BE", *ROUTE_ADJUSTS},
    },
    Role.MAG: {"LMA": {"PBA", "BRI", "Tnl_ack", "HB", "BE"}, "RMS": {"Load_adjust", "BE", *ROUTE_ADJUSTS}},
}


@pytest.mark.parametrize(("receiver", "sender", "name"), list(product(Role, SOURCES, MESSAGES)))
def test_who_may_say_what(receiver: Role, sender: str, name: str) -> None:
    allowed = name in PERMITTED[receiver].get(sender, set())
    assert Roles(PROFILE, receiver).permits(MESSAGES[name], SOURCES[sender]) is allowed


def test_nodes_of_the_domain_are_known() -> None:
    roles = Roles(PROFILE, Role.LMA)
    assert [roles.of(node) for node in (RMS, LMA, LMA2, MAG, MAG2)] == [Role.RMS, *2 * [Role.LMA], *2 * [Role.MAG]]
    assert roles.of(STRANGER) is None


def test_all_talk_but_mags_with_each_other() -> None:
    roles = Roles(PROFILE, Role.RMS)
    silent = [pair for pair in combinations((RMS, LMA, LMA2, MAG, MAG2), 2) if not roles.talk(*pair)]
    assert silent == [(MAG, MAG2)]
