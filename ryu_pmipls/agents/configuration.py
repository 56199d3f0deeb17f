"""Conversion of the domain's profile into the configuration of the machines."""

from __future__ import annotations

from collections.abc import Callable

from ryu_pmipls.domain.profile import Lma, Mag, Profile
from ryu_pmipls.mobility import AnchorConfig, GatewayConfig, MobileNodePolicy, PrefixPool
from ryu_pmipls.wire import Encapsulation


def gateway_config(
    profile: Profile,
    mag: Mag,
    encapsulation: Encapsulation,
    restart_counter: int = 0,
    time_of_day: Callable[[float], float] = float,
) -> GatewayConfig:
    """The configuration of a MAG, which has a tunnel to every LMA."""
    timers = profile.timers
    return GatewayConfig(
        address=mag.address,
        rms=profile.rms.address,
        lmas=tuple(lma.address for lma in profile.lmas),
        mobile_nodes=_policies(profile),
        encapsulation=encapsulation,
        binding_lifetime=timers.binding_lifetime,
        initial_bindack_timeout=timers.initial_bindack_timeout,
        max_bindack_timeout=timers.max_bindack_timeout,
        tunnel_request_timeout=timers.tunnel_request_timeout,
        adjust_timeout=timers.adjust_timeout,
        adjust_tries=timers.adjust_tries,
        min_delay_before_bce_delete=timers.min_delay_before_bce_delete,
        timestamp_validity_window=timers.timestamp_validity_window,
        redirection=profile.load_sharing.redirect_new_sessions,
        heartbeat_interval=timers.heartbeat_interval,
        missing_heartbeats_allowed=timers.missing_heartbeats_allowed,
        restart_counter=restart_counter,
        time_of_day=time_of_day,
        advertisement_interval=profile.access.advertisement_interval,
        probes=profile.access.probes,
    )


def anchor_config(
    profile: Profile,
    lma: Lma,
    encapsulation: Encapsulation,
    restart_counter: int = 0,
    time_of_day: Callable[[float], float] = float,
) -> AnchorConfig:
    """The configuration of an LMA, which hands out its own slice of the home prefix pool."""
    timers = profile.timers
    peers = tuple(other.address for other in profile.lmas if other is not lma)
    return AnchorConfig(
        address=lma.address,
        rms=profile.rms.address,
        mags=tuple(mag.address for mag in profile.mags),
        pool=PrefixPool(profile.home_prefix_pool, profile.lmas.index(lma), len(profile.lmas)),
        mobile_nodes=_policies(profile),
        encapsulation=encapsulation,
        binding_lifetime=timers.binding_lifetime,
        timestamp_validity_window=timers.timestamp_validity_window,
        min_delay_before_bce_delete=timers.min_delay_before_bce_delete,
        max_delay_before_new_bce_assign=timers.max_delay_before_new_bce_assign,
        adjust_timeout=timers.adjust_timeout,
        adjust_tries=timers.adjust_tries,
        redirection_peers=peers if profile.load_sharing.redirect_new_sessions else (),
        heartbeat_interval=timers.heartbeat_interval,
        missing_heartbeats_allowed=timers.missing_heartbeats_allowed,
        restart_counter=restart_counter,
        time_of_day=time_of_day,
    )


def _policies(profile: Profile) -> tuple[MobileNodePolicy, ...]:
    addresses = {lma.name: lma.address for lma in profile.lmas}
    first = profile.lmas[0].address
    return tuple(
        MobileNodePolicy(
            identifier=node.identifier.encode(),
            link_layer_address=node.link_layer_address,
            anchor=first if node.anchor is None else addresses[node.anchor],
            prefixes=() if node.prefix is None else (node.prefix,),
        )
        for node in profile.mobile_nodes
    )
